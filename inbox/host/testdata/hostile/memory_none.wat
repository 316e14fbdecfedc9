;; It has no memory, and asks the host to write there.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (func (export "_start")
    (drop (call $random_get (i32.const 0) (i32.const 8)))))
