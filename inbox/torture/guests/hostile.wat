;; A plugin that attacks the program. The length of the document selects the attack: 0 loops until it is stopped, 1 allocates all the
;; memory that it can get, 2 writes log lines endlessly, 3 recurses endlessly, 4 calls one huge poll, 5 traps, 6 returns a result that
;; is too large.
(module
 (import "inbox_v1" "next" (func $next (param i32 i32) (result i32)))
 (import "inbox_v1" "done" (func $done (param i32 i32) (result i32)))
 (import "inbox_v1" "log" (func $log (param i32 i32) (result i32)))
 (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
 (memory (export "memory") 17)
 (func $dive (param $n i64) (result i64)
  (i64.add (call $dive (i64.add (local.get $n) (i64.const 1))) (local.get $n)))
 (func $eat (local $at i32)
  (loop $more
   (local.set $at (memory.grow (i32.const 16)))
   (if (i32.ne (local.get $at) (i32.const -1)) (then
    (memory.fill (i32.shl (local.get $at) (i32.const 16)) (i32.const 1) (i32.const 1048576))
    (br $more)))))
 (func $flood (loop $more (drop (call $log (i32.const 0) (i32.const 65536))) (br $more)))
 (func (export "_start") (local $n i32)
  (local.set $n (call $next (i32.const 0) (i32.const 1048576)))
  (block $answer (block $trap (block $huge (block $deep (block $logs (block $memory (block $spin
   (br_table $spin $memory $logs $deep $huge $trap $answer (i32.rem_u (local.get $n) (i32.const 7))))
   (loop $forever (br $forever)))
   (call $eat) (loop $forever (br $forever)))
   (call $flood))
   (drop (call $dive (i64.const 0))) (unreachable))
   (drop (call $poll (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 1024))) (unreachable))
   (unreachable))
  (drop (call $done (i32.const 0) (i32.const 1048576)))))
