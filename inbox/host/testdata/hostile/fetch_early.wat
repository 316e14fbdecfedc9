;; Fetches before it asks for an event.
(module
 (import "inbox_v1" "next" (func $next (param i32 i32) (result i32))) (import "inbox_v1" "done" (func $done (param i32 i32) (result i32)))
 (import "inbox_v1" "http_fetch" (func $fetch (param i32 i32) (result i32)))
 (import "inbox_v1" "result" (func $result (param i32 i32 i32) (result i32)))
 (memory (export "memory") 2)
 (data (i32.const 65536) "{\"method\":\"GET\",\"url\":\"http://127.0.0.1:9/\"}")
 (func (export "_start")
  (if (i32.ne (call $fetch (i32.const 65536) (i32.const 44)) (i32.const -2)) (then unreachable))
  (if (i32.ne (call $result (i32.const 0) (i32.const 0) (i32.const 10)) (i32.const -2)) (then unreachable))
  (drop (call $next (i32.const 0) (i32.const 60000)))
  (drop (call $done (i32.const 0) (i32.const 0)))))
