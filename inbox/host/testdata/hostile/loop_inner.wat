;; The inner loop runs forever, the outer loop once.
(module
  (memory (export "memory") 1)
  (func (export "_start")
    (loop $outer (loop $l (br $l)))))
