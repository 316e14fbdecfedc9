;; Asks for an event with a buffer beyond its memory, then with a valid one.
(module
  (import "inbox_v1" "next" (func $next (param i32 i32) (result i32)))
  (import "inbox_v1" "done" (func $done (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (if (i32.ne (call $next (i32.const -16) (i32.const 65536)) (i32.const -3)) (then unreachable))
    (if (i32.ne (call $next (i32.const 65535) (i32.const 65536)) (i32.const -3)) (then unreachable))
    (if (i32.lt_s (call $next (i32.const 0) (i32.const 65536)) (i32.const 1)) (then unreachable))
    (drop (call $done (i32.const 0) (i32.const 0)))))
