;; Reads forever.
(module (import "inbox_v1" "next" (func $next (param i32 i32) (result i32))) (import "inbox_v1" "done" (func $done (param i32 i32) (result i32)))
 (import "inbox_v1" "event_read" (func $read (param i32 i32 i32 i32 i32) (result i32)))
 (memory (export "memory") 3) (data (i32.const 0) "/data/photo")
 (func (export "_start") (drop (call $next (i32.const 65536) (i32.const 65536)))
  (loop $l (drop (call $read (i32.const 0) (i32.const 11) (i32.const 0) (i32.const 131072) (i32.const 65536))) (br $l))))
