;; A function calls itself through the table endlessly.
(module
  (memory (export "memory") 1)
  (table 1 funcref)
  (elem (i32.const 0) $f)
  (func $f (call_indirect (i32.const 0)))
  (func (export "_start")
    (call_indirect (i32.const 0))))
