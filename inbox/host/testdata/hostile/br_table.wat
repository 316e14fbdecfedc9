;; A table of branches, all of them back.
(module
  (memory (export "memory") 1)
  (func (export "_start")
    (loop $l (br_table $l $l $l (i32.const 7)))))
