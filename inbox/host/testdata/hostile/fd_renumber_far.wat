;; Renumbers a stream to a descriptor so high that a table of all lower ones would take 16 GiB. The call fails.
(module
  (import "wasi_snapshot_preview1" "fd_renumber" (func $fd_renumber (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (if (i32.eqz (call $fd_renumber (i32.const 1) (i32.const 0x7fffffff))) (then unreachable))
    (if (i32.eqz (call $fd_renumber (i32.const 2) (i32.const 0x40000000))) (then unreachable))
    (if (i32.eqz (call $fd_renumber (i32.const 0) (i32.const -1))) (then unreachable))))
