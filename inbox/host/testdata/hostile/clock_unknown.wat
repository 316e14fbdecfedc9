;; Asks for clocks that do not exist.
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_res_get" (func $clock_res_get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (if (i32.eqz (call $clock_time_get (i32.const 2) (i64.const 0) (i32.const 0))) (then unreachable))
    (if (i32.eqz (call $clock_res_get (i32.const 2) (i32.const 0))) (then unreachable))
    (if (i32.eqz (call $clock_time_get (i32.const 3) (i64.const 0) (i32.const 0))) (then unreachable))
    (if (i32.eqz (call $clock_res_get (i32.const 3) (i32.const 0))) (then unreachable))
    (if (i32.eqz (call $clock_time_get (i32.const 4) (i64.const 0) (i32.const 0))) (then unreachable))
    (if (i32.eqz (call $clock_res_get (i32.const 4) (i32.const 0))) (then unreachable))
    (if (i32.eqz (call $clock_time_get (i32.const -1) (i64.const 0) (i32.const 0))) (then unreachable))
    (if (i32.eqz (call $clock_res_get (i32.const -1) (i32.const 0))) (then unreachable))))
