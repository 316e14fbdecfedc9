;; Grows a table of external references, which the host never gives, at once.
(module
  (memory (export "memory") 1)
  (table $t 1 externref)
  (func (export "_start")
    (if (i32.eq (table.grow $t (ref.null extern) (i32.const 50000000)) (i32.const -1)) (then unreachable))))
