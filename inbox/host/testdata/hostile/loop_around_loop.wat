;; The inner loop runs once, the outer loop forever.
(module
  (memory (export "memory") 1)
  (func (export "_start")
    (loop $l (loop $inner) (br $l))))
