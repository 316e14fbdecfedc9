;; Closes its three streams; then nothing can be written.
(module
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $fd_close (i32.const 0)))
    (drop (call $fd_close (i32.const 1)))
    (drop (call $fd_close (i32.const 2)))
    (if (i32.eqz (call $fd_write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 8))) (then unreachable))
    (if (i32.eqz (call $fd_write (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 8))) (then unreachable))
    (if (i32.eqz (call $fd_close (i32.const 1))) (then unreachable))))
