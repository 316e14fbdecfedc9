;; Emits an event that it was not granted.
(module
 (import "inbox_v1" "next" (func $next (param i32 i32) (result i32))) (import "inbox_v1" "done" (func $done (param i32 i32) (result i32)))
 (import "inbox_v1" "emit" (func $emit (param i32 i32) (result i32)))
 (memory (export "memory") 2)
 (data (i32.const 65536) "{\"event\":\"a.b\"}")
 (func (export "_start")
  (drop (call $next (i32.const 0) (i32.const 60000)))
  (if (i32.ne (call $emit (i32.const 65536) (i32.const 15)) (i32.const 0)) (then unreachable))
  (drop (call $done (i32.const 0) (i32.const 0)))))
