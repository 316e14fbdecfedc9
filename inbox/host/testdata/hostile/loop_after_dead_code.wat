;; The first loop is never reached.
(module
  (memory (export "memory") 1)
  (func (export "_start")
    (block $b (br $b) (loop $dead (br $dead)))
    (loop $l (br $l))))
