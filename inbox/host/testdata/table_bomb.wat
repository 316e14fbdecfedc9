(module (memory (export "memory") 1) (table $t 1 50000000 funcref) (func (export "_start") (if (i32.eq (table.grow $t (ref.null func) (i32.const 40000000)) (i32.const -1)) (then unreachable))))
