;; Loops with a conditional branch.
(module
  (memory (export "memory") 1)
  (func (export "_start")
    (loop $l (br_if $l (i32.const 1)))))
