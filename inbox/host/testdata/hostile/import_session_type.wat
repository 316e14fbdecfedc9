;; Imports next with other parameters.
(module
  (import "inbox_v1" "next" (func (param i64 i64) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")))
