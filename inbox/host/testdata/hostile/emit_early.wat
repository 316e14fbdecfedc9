;; Emits before it asks for an event.
(module
 (import "inbox_v1" "next" (func $next (param i32 i32) (result i32))) (import "inbox_v1" "done" (func $done (param i32 i32) (result i32)))
 (import "inbox_v1" "emit" (func $emit (param i32 i32) (result i32)))
 (memory (export "memory") 2)
 (data (i32.const 65536) "{\"event\":\"a.b\"}")
 (func (export "_start")
  (if (i32.ne (call $emit (i32.const 65536) (i32.const 15)) (i32.const -2)) (then unreachable))
  (drop (call $next (i32.const 0) (i32.const 60000)))
  (drop (call $done (i32.const 0) (i32.const 0)))))
