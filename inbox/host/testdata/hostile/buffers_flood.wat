;; Passes two million buffers in one call, forever.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 256)
  (func (export "_start")
    (loop $again
      (drop (call $fd_write (i32.const 3) (i32.const 0) (i32.const 2000000) (i32.const 0xfffff0)))
      (br $again))))
