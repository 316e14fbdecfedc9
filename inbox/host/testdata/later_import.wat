(module (import "inbox_v1" "secret_get" (func (param i32 i32) (result i32))) (memory (export "memory") 1) (func (export "_start")))
