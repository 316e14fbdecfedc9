;; The guest of the kv measurement increments one key with every event.
(module
  (import "inbox_v1" "next" (func $next (param i32 i32) (result i32)))
  (import "inbox_v1" "done" (func $done (param i32 i32) (result i32)))
  (import "inbox_v1" "kv_get" (func $kv_get (param i32 i32 i32 i32) (result i32)))
  (import "inbox_v1" "kv_set" (func $kv_set (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 65536) "n")
  (func (export "_start")
    (loop $again
      (if (i32.ge_s (call $next (i32.const 0) (i32.const 65536)) (i32.const 0))
        (then
          (i64.store (i32.const 65544) (i64.const 0))
          (drop (call $kv_get (i32.const 65536) (i32.const 1) (i32.const 65544) (i32.const 8)))
          (i64.store (i32.const 65544) (i64.add (i64.load (i32.const 65544)) (i64.const 1)))
          (drop (call $kv_set (i32.const 65536) (i32.const 1) (i32.const 65544) (i32.const 8)))
          (drop (call $done (i32.const 0) (i32.const 0)))
          (br $again))))))
