;; Its elements do not fit its table: the runtime leaves them out, and calls nothing there.
(module
  (memory (export "memory") 1)
  (table 1 funcref)
  (elem (i32.const 1) $f)
  (func $f)
  (func (export "_start")
    (call_indirect (i32.const 0))))
