;; Asks for four gigabytes of random numbers.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (if (i32.ne (call $random_get (i32.const 0) (i32.const -1)) (i32.const 21)) (then unreachable))
    (if (i32.ne (call $random_get (i32.const 1) (i32.const -1)) (i32.const 21)) (then unreachable))
    (if (i32.ne (call $random_get (i32.const -1) (i32.const 2)) (i32.const 21)) (then unreachable))))
