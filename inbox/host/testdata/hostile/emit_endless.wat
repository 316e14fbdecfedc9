;; Emits more bytes than an address space has.
(module
 (import "inbox_v1" "next" (func $next (param i32 i32) (result i32))) (import "inbox_v1" "done" (func $done (param i32 i32) (result i32)))
 (import "inbox_v1" "emit" (func $emit (param i32 i32) (result i32)))
 (memory (export "memory") 2)
 (func (export "_start")
  (drop (call $next (i32.const 0) (i32.const 60000)))
  (if (i32.ne (call $emit (i32.const 0) (i32.const -1)) (i32.const -4)) (then unreachable))
  (if (i32.ne (call $emit (i32.const 0) (i32.const 2097153)) (i32.const -4)) (then unreachable))
  (drop (call $done (i32.const 0) (i32.const 0)))))
