;; Passes a list of a million empty buffers, forever.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 256)
  (func (export "_start")
    (loop $l (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1048576) (i32.const 0))) (br $l))))
