;; The inner loop is never repeated, the outer for ever.
(module
  (memory (export "memory") 1)
  (func (export "_start")
    (loop $l (loop $inner) (br $l))))
