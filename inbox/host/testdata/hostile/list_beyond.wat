;; Passes a list of buffers beyond its memory.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (if (i32.eqz (call $fd_write (i32.const 1) (i32.const 65535) (i32.const 1) (i32.const 0))) (then unreachable))
    (if (i32.eqz (call $fd_write (i32.const 1) (i32.const -8) (i32.const 2) (i32.const 0))) (then unreachable))
    (if (i32.eqz (call $fd_write (i32.const 1) (i32.const 0) (i32.const 0x1fffffff) (i32.const 0))) (then unreachable))
    (if (i32.eqz (call $fd_read (i32.const 0) (i32.const -8) (i32.const 2) (i32.const 0))) (then unreachable))))
