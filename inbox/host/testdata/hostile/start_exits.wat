;; Exits with 1 in its start function.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (start $begin)
  (func $begin
    (call $proc_exit (i32.const 1)))
  (func (export "_start")))
