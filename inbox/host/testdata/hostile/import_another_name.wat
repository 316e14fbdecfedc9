;; Imports a function of WASI that does not exist.
(module
  (import "wasi_snapshot_preview1" "fd_dup" (func (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")))
