;; Fills a table of 65,536 elements forever.
(module
  (memory (export "memory") 1)
  (table $t 65536 funcref)
  (func (export "_start")
    (loop $l (table.fill $t (i32.const 0) (ref.null func) (i32.const 65536)) (br $l))))
