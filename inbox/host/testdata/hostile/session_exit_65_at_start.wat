;; Exits before it asks for an event, with the code that means reject in a command: no event is rejected.
(module
  (import "inbox_v1" "next" (func $next (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (call $proc_exit (i32.const 65))))
