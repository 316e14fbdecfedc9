;; Loops with a branch out of an if.
(module
  (memory (export "memory") 1)
  (func (export "_start")
    (loop $l (if (i32.const 1) (then (br $l))))))
