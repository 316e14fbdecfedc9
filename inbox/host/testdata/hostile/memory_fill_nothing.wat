;; Fills zero bytes forever.
(module
  (memory (export "memory") 1)
  (func (export "_start")
    (loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 0)) (br $l))))
