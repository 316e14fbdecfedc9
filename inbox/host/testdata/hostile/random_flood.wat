;; Asks for a megabyte of random numbers, again and again.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (memory (export "memory") 16)
  (func (export "_start")
    (loop $l (drop (call $random_get (i32.const 0) (i32.const 1048576))) (br $l))))
