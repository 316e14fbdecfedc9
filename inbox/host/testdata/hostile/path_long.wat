;; Passes a path of 16 MiB to every function that takes one, forever.
(module
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename" (func $path_rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file" (func $path_unlink_file (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_get" (func $path_filestat_get (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_symlink" (func $path_symlink (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 256)
  (func (export "_start")
    (memory.fill (i32.const 0) (i32.const 47) (i32.const 0xffffff))
    (loop $again
      (drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0xffff00) (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 0)))
      (drop (call $path_rename (i32.const 3) (i32.const 0) (i32.const 0xffff00) (i32.const 3) (i32.const 0) (i32.const 0xffff00)))
      (drop (call $path_unlink_file (i32.const 3) (i32.const 0) (i32.const 0xffff00)))
      (drop (call $path_filestat_get (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0xffff00) (i32.const 0)))
      (drop (call $path_symlink (i32.const 0) (i32.const 0xffff00) (i32.const 3) (i32.const 0) (i32.const 0xffff00)))
      (br $again))))
