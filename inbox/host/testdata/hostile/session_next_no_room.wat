;; Asks for an event with an empty buffer, one that is too small, and one that fits.
(module
  (import "inbox_v1" "next" (func $next (param i32 i32) (result i32)))
  (import "inbox_v1" "done" (func $done (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start") (local $n i32)
    (local.set $n (call $next (i32.const 0) (i32.const 0)))
    (if (i32.ne (call $next (i32.const 0) (i32.sub (local.get $n) (i32.const 1))) (local.get $n)) (then unreachable))
    (if (i32.load8_u (i32.const 0)) (then unreachable))
    (if (i32.ne (call $next (i32.const 0) (local.get $n)) (local.get $n)) (then unreachable))
    (if (i32.ne (i32.load8_u (i32.const 0)) (i32.const 123)) (then unreachable))
    (drop (call $done (i32.const 0) (i32.const 0)))))
