;; Looks for directories after its three streams. There are none.
(module
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_dir_name" (func $fd_prestat_dir_name (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start") (local $i i32)
    (local.set $i (i32.const 3))
    (loop $l
      (if (i32.ne (call $fd_prestat_get (local.get $i) (i32.const 0)) (i32.const 8)) (then unreachable))
      (if (i32.eqz (call $fd_prestat_dir_name (local.get $i) (i32.const 0) (i32.const 100))) (then unreachable))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))))
