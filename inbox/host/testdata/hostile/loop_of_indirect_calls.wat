;; Loops with calls through the table.
(module
  (memory (export "memory") 1)
  (table 1 funcref)
  (elem (i32.const 0) $f)
  (func $f)
  (func (export "_start")
    (loop $l (call_indirect (i32.const 0)) (br $l))))
