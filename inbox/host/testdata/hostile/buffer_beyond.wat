;; Passes buffers that begin in the memory and end beyond it.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 65535))
    (i32.store (i32.const 4) (i32.const 2))
    (if (i32.eqz (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16))) (then unreachable))
    (if (i32.eqz (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16))) (then unreachable))
    (i32.store (i32.const 0) (i32.const 1))
    (i32.store (i32.const 4) (i32.const -1))
    (if (i32.eqz (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 16))) (then unreachable))
    (if (i32.eqz (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16))) (then unreachable))))
