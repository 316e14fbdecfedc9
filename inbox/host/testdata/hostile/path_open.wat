;; Opens and creates files, with every descriptor.
(module
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "..")
  (data (i32.const 16) "/etc/passwd")
  (data (i32.const 32) "a/../../b")
  (func (export "_start") (local $i i32)
    (loop $l
      (if (i32.eqz (call $path_open (local.get $i) (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 1) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 64))) (then unreachable))
      (if (i32.eqz (call $path_open (local.get $i) (i32.const 1) (i32.const 16) (i32.const 11) (i32.const 1) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 64))) (then unreachable))
      (if (i32.eqz (call $path_open (local.get $i) (i32.const 1) (i32.const 32) (i32.const 9) (i32.const 1) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 64))) (then unreachable))
      (if (i32.eqz (call $path_open (local.get $i) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 1) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 64))) (then unreachable))
      (if (i32.eqz (call $path_open (local.get $i) (i32.const 1) (i32.const 0) (i32.const 4294967295) (i32.const 1) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 64))) (then unreachable))
      (if (i32.eqz (call $path_open (local.get $i) (i32.const 1) (i32.const 4294967280) (i32.const 255) (i32.const 1) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 64))) (then unreachable))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 8))))))
