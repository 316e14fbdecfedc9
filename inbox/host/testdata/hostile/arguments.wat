;; Checks that it has one argument, "plugin", and no environment.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (if (i32.ne (call $args_sizes_get (i32.const 0) (i32.const 4)) (i32.const 0)) (then unreachable))
    (if (i32.ne (call $environ_sizes_get (i32.const 8) (i32.const 12)) (i32.const 0)) (then unreachable))
    (if (i32.ne (i32.load (i32.const 0)) (i32.const 1)) (then unreachable))
    (if (i32.ne (i32.load (i32.const 4)) (i32.const 7)) (then unreachable))
    (if (i64.ne (i64.load (i32.const 8)) (i64.const 0)) (then unreachable))))
