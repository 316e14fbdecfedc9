;; Copies a table onto itself forever.
(module
  (memory (export "memory") 1)
  (table $t 65536 funcref)
  (func (export "_start")
    (loop $l (table.copy $t $t (i32.const 1) (i32.const 0) (i32.const 65535)) (br $l))))
