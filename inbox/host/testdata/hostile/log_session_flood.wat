;; Writes a thousand log lines of 60,000 bytes.
(module
  (import "inbox_v1" "next" (func $next (param i32 i32) (result i32)))
  (import "inbox_v1" "done" (func $done (param i32 i32) (result i32)))
  (import "inbox_v1" "log" (func $log (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start") (local $i i32)
    (drop (call $next (i32.const 0) (i32.const 65536)))
    (local.set $i (i32.const 1000))
    (loop $l
      (drop (call $log (i32.const 0) (i32.const 60000)))
      (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (drop (call $done (i32.const 0) (i32.const 0)))))
