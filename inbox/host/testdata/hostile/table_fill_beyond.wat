;; Fills a table beyond its end.
(module
  (memory (export "memory") 1)
  (table $t 1 funcref)
  (func (export "_start")
    (table.fill $t (i32.const 1) (ref.null func) (i32.const -1))))
