;; Passes 200,000 buffers of one byte. 1024 are written, the result says so, and 1024 are read.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 256)
  (func (export "_start") (local $i i32)
    (loop $each
      (i32.store (local.get $i) (i32.const 0xfffff8))
      (i32.store offset=4 (local.get $i) (i32.const 1))
      (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 8))) (i32.const 0x186a00))))
    (i32.store8 (i32.const 0xfffff8) (i32.const 10))
    (if (call $fd_write (i32.const 2) (i32.const 0) (i32.const 200000) (i32.const 0xfffff0)) (then unreachable))
    (if (i32.ne (i32.load (i32.const 0xfffff0)) (i32.const 1024)) (then unreachable))
    (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 200000) (i32.const 0xfffff0)) (then unreachable))
    (if (i32.gt_u (i32.load (i32.const 0xfffff0)) (i32.const 1024)) (then unreachable))))
