;; Fetches in a loop, more often than an attempt may.
(module
 (import "inbox_v1" "next" (func $next (param i32 i32) (result i32))) (import "inbox_v1" "done" (func $done (param i32 i32) (result i32)))
 (import "inbox_v1" "http_fetch" (func $fetch (param i32 i32) (result i32)))
 (import "inbox_v1" "result" (func $result (param i32 i32 i32) (result i32)))
 (memory (export "memory") 2)
 (data (i32.const 65536) "{\"method\":\"GET\",\"url\":\"http://127.0.0.1:9/\"}")
 (func (export "_start")
  (local $n i32)
  (drop (call $next (i32.const 0) (i32.const 60000)))
  (loop $again
    (local.set $n (i32.add (local.get $n) (i32.const 1)))
    (if (i32.gt_u (local.get $n) (i32.const 16))
     (then (if (i32.ne (call $fetch (i32.const 65536) (i32.const 44)) (i32.const -5)) (then unreachable)))
     (else (if (i32.lt_s (call $fetch (i32.const 65536) (i32.const 44)) (i32.const 2)) (then unreachable))))
    (br_if $again (i32.lt_u (local.get $n) (i32.const 1000))))
  (drop (call $done (i32.const 0) (i32.const 0)))))
