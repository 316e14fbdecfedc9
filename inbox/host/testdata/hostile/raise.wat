;; Raises a signal, which does not exist.
(module
  (import "wasi_snapshot_preview1" "proc_raise" (func $proc_raise (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (if (i32.eqz (call $proc_raise (i32.const 9))) (then unreachable))))
