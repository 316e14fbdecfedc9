;; Returns results beyond its memory, or longer than any memory.
(module
  (import "inbox_v1" "next" (func $next (param i32 i32) (result i32)))
  (import "inbox_v1" "done" (func $done (param i32 i32) (result i32)))
  (import "inbox_v1" "log" (func $log (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $next (i32.const 0) (i32.const 65536)))
    (if (i32.ne (call $done (i32.const -1) (i32.const 2)) (i32.const -3)) (then unreachable))
    (if (i32.ne (call $done (i32.const 65535) (i32.const 2)) (i32.const -3)) (then unreachable))
    (if (i32.ne (call $log (i32.const -1) (i32.const 2)) (i32.const -3)) (then unreachable))
    (if (i32.ne (call $log (i32.const 65535) (i32.const -1)) (i32.const -3)) (then unreachable))
    (drop (call $done (i32.const 0) (i32.const 0)))))
