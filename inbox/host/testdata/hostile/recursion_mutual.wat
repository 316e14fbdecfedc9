;; Two functions call each other endlessly.
(module
  (memory (export "memory") 1)
  (func $a (call $b))
  (func $b (call $a))
  (func (export "_start")
    (call $a)))
