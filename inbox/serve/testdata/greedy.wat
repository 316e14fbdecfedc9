;; A session that takes all the memory it may have, writes to every page of it, before its first event and at each, and
;; goes a million calls deep.
(module
  (import "inbox_v1" "next" (func $next (param i32 i32) (result i32)))
  (import "inbox_v1" "done" (func $done (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $depth (mut i32) (i32.const 0))
  (func $fill
    (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    (memory.fill (i32.const 0) (i32.const 1) (i32.mul (memory.size) (i32.const 65536))))
  (func $deep
    (if (i32.gt_s (global.get $depth) (i32.const 0))
      (then
        (global.set $depth (i32.sub (global.get $depth) (i32.const 1)))
        (call $deep))))
  (func (export "_start")
    (call $fill)
    (loop $again
      (if (i32.ge_s (call $next (i32.const 0) (i32.const 65536)) (i32.const 0))
        (then
          (call $fill)
          (global.set $depth (i32.const 1000000))
          (call $deep)
          (drop (call $done (i32.const 0) (i32.const 0)))
          (br $again))))))
