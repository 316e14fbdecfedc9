;; Loops with a br_table whose targets are all loops.
(module
  (memory (export "memory") 1)
  (func (export "_start")
    (loop $l (br_table $l $l $l (i32.const 7)))))
