;; Grows a table by one element at a time, until that fails.
(module
  (memory (export "memory") 1)
  (table $t 0 funcref)
  (func (export "_start")
    (loop $l (br_if $l (i32.ne (table.grow $t (ref.null func) (i32.const 1)) (i32.const -1))))
    (if (i32.ne (table.size $t) (i32.const 65536)) (then unreachable))))
