;; A command that writes what it reads at /data/photo to standard error.
(module (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
 (import "inbox_v1" "event_read" (func $read (param i32 i32 i32 i32 i32) (result i32)))
 (memory (export "memory") 2) (data (i32.const 0) "/data/photo")
 (func (export "_start")
  (i32.store (i32.const 32) (i32.const 65536))
  (i32.store (i32.const 36) (call $read (i32.const 0) (i32.const 11) (i32.const 0) (i32.const 65536) (i32.const 65536)))
  (if (i32.ne (call $write (i32.const 2) (i32.const 32) (i32.const 1) (i32.const 40)) (i32.const 0)) (then unreachable))))
