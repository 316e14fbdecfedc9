;; A plugin that follows the script of its event: the body contains "@@abc@@", one letter per attempt; the last letter also counts for
;; later attempts. o ok, s skip, r retry, j reject, x trap, l loop until the time limit, e exit without a result, b an invalid result.
;; An event without a script is ok. With ok and skip it asks that the event's bytes are posted to a receiver, whose port is written over the zeros.
(module
 (import "inbox_v1" "next" (func $next (param i32 i32) (result i32)))
 (import "inbox_v1" "done" (func $done (param i32 i32) (result i32)))
 (import "inbox_v1" "log" (func $log (param i32 i32) (result i32)))
 (memory (export "memory") 34)
 (data (i32.const 256) "{\"outcome\":\"ok\",\"http\":[{\"method\":\"POST\",\"url\":\"http://127.0.0.1:00000/\",\"raw\":true}]}")
 (data (i32.const 512) "{\"outcome\":\"skip\",\"http\":[{\"method\":\"POST\",\"url\":\"http://127.0.0.1:00000/\",\"raw\":true}]}")
 (data (i32.const 32) "{\"outcome\":\"retry\"}")
 (data (i32.const 64) "{\"outcome\":\"reject\"}")
 (data (i32.const 96) "nonsense")
 (data (i32.const 128) "tried")
 (func $find (param $p i32) (param $end i32) (param $what i64) (param $mask i64) (result i32)
  (loop $l
   (if (i64.eq (i64.and (i64.load (local.get $p)) (local.get $mask)) (local.get $what)) (then (return (local.get $p))))
   (local.set $p (i32.add (local.get $p) (i32.const 1)))
   (br_if $l (i32.lt_u (local.get $p) (local.get $end))))
  (i32.const 0))
 (func $letter (param $end i32) (result i32) (local $p i32) (local $n i32) (local $c i32)
  (local.set $p (i32.add (call $find (i32.const 1024) (local.get $end) (i64.const 0x2274706d65747461) (i64.const -1)) (i32.const 9)))
  (loop $digits
   (local.set $c (i32.sub (i32.load8_u (local.get $p)) (i32.const 48)))
   (if (i32.lt_u (local.get $c) (i32.const 10)) (then
    (local.set $n (i32.add (i32.mul (local.get $n) (i32.const 10)) (local.get $c)))
    (local.set $p (i32.add (local.get $p) (i32.const 1))) (br $digits))))
  (local.set $p (call $find (i32.const 1024) (local.get $end) (i64.const 0x4040) (i64.const 0xffff)))
  (if (i32.eqz (local.get $p)) (then (return (i32.const 111))))
  (local.set $p (i32.add (local.get $p) (i32.const 1)))
  (loop $letters
   (if (i32.ne (i32.load8_u offset=1 (local.get $p)) (i32.const 64)) (then
    (local.set $p (i32.add (local.get $p) (i32.const 1)))
    (local.set $n (i32.sub (local.get $n) (i32.const 1)))
    (br_if $letters (i32.gt_s (local.get $n) (i32.const 0))))))
  (i32.load8_u (local.get $p)))
 (func (export "_start") (local $n i32) (local $c i32)
  (loop $events
   (local.set $n (call $next (i32.const 1024) (i32.const 2097152)))
   (if (i32.lt_s (local.get $n) (i32.const 0)) (then (return)))
   (drop (call $log (i32.const 128) (i32.const 5)))
   (local.set $c (call $letter (i32.add (local.get $n) (i32.const 1016))))
   (if (i32.eq (local.get $c) (i32.const 120)) (then (unreachable)))
   (if (i32.eq (local.get $c) (i32.const 101)) (then (return)))
   (loop $forever (br_if $forever (i32.eq (local.get $c) (i32.const 108))))
   (if (i32.eq (local.get $c) (i32.const 111)) (then (drop (call $done (i32.const 256) (i32.const 86)))))
   (if (i32.eq (local.get $c) (i32.const 115)) (then (drop (call $done (i32.const 512) (i32.const 88)))))
   (if (i32.eq (local.get $c) (i32.const 114)) (then (drop (call $done (i32.const 32) (i32.const 19)))))
   (if (i32.eq (local.get $c) (i32.const 106)) (then (drop (call $done (i32.const 64) (i32.const 20)))))
   (if (i32.eq (local.get $c) (i32.const 98)) (then (drop (call $done (i32.const 96) (i32.const 8)))))
   (br $events))))
