;; Loops with a branch out of two blocks.
(module
  (memory (export "memory") 1)
  (func (export "_start")
    (loop $l (block (block (br $l))))))
