;; Has elements that do not fit its table. The runtime ignores them, and the call finds an empty element.
(module
  (memory (export "memory") 1)
  (table 1 funcref)
  (elem (i32.const 1) $f)
  (func $f)
  (func (export "_start")
    (call_indirect (i32.const 0))))
