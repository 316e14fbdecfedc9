;; The inner loop is repeated for ever, the outer never.
(module
  (memory (export "memory") 1)
  (func (export "_start")
    (loop $outer (loop $l (br $l)))))
