;; Passes the same buffer a thousand times in one call.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start") (local $i i32)
    (local.set $i (i32.const 8000))
    (loop $l
      (local.set $i (i32.sub (local.get $i) (i32.const 8)))
      (i32.store offset=4 (local.get $i) (i32.const 65536))
      (br_if $l (local.get $i)))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1000) (i32.const 16384)))
    (loop $on (br $on))))
