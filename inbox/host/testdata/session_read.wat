;; Reads /data/photo in pieces of seven bytes, and logs it.
(module (import "inbox_v1" "next" (func $next (param i32 i32) (result i32))) (import "inbox_v1" "done" (func $done (param i32 i32) (result i32)))
 (import "inbox_v1" "log" (func $log (param i32 i32) (result i32)))
 (import "inbox_v1" "event_read" (func $read (param i32 i32 i32 i32 i32) (result i32)))
 (memory (export "memory") 3) (data (i32.const 0) "/data/photo")
 (func (export "_start") (local $n i32) (local $at i32)
  (loop $events
   (if (i32.lt_s (call $next (i32.const 65536) (i32.const 65536)) (i32.const 0)) (then return))
   (local.set $at (i32.const 0))
   (loop $more
    (local.set $n (call $read (i32.const 0) (i32.const 11) (local.get $at) (i32.add (i32.const 131072) (local.get $at)) (i32.const 7)))
    (if (i32.lt_s (local.get $n) (i32.const 0)) (then unreachable))
    (local.set $at (i32.add (local.get $at) (i32.const 7)))
    (br_if $more (i32.lt_s (local.get $at) (local.get $n))))
   (drop (call $log (i32.const 131072) (local.get $n)))
   (drop (call $done (i32.const 0) (i32.const 0)))
   (br $events))))
