;; Two functions call each other two deep, forever.
(module
  (memory (export "memory") 1)
  (func $a (call $b))
  (func $b)
  (func (export "_start")
    (loop $l (call $a) (br $l))))
