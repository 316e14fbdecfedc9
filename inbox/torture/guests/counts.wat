;; A plugin that follows the script of its event: the body contains "@@abc@@", one letter per attempt; the last letter also counts for
;; later attempts. o ok, s skip, r retry, j reject, x trap, l loop until the time limit, e exit without a result, b an invalid result.
;; An event without a script is ok. With ok and skip it folds the event's seq into the state of its lane, a number, which depends on the
;; order: 31 times the state before, plus the seq, modulo 2^31. It adds the seq to the key "n" of kv, eight bytes in little endian.
(module
 (import "inbox_v1" "next" (func $next (param i32 i32) (result i32)))
 (import "inbox_v1" "done" (func $done (param i32 i32) (result i32)))
 (import "inbox_v1" "log" (func $log (param i32 i32) (result i32)))
 (import "inbox_v1" "kv_get" (func $kv_get (param i32 i32 i32 i32) (result i32)))
 (import "inbox_v1" "kv_set" (func $kv_set (param i32 i32 i32 i32) (result i32)))
 (memory (export "memory") 34)
 (data (i32.const 0) "{\"outcome\":\"skip\",\"state\":")
 (data (i32.const 32) "{\"outcome\":\"retry\"}")
 (data (i32.const 64) "{\"outcome\":\"reject\"}")
 (data (i32.const 96) "nonsense")
 (data (i32.const 128) "tried")
 (data (i32.const 160) "{\"outcome\":\"ok\",\"state\":")
 (data (i32.const 192) "n")
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
 ;; number returns the number before the brace at the end of the document, 0 for null.
 (func $number (param $end i32) (result i64) (local $p i32) (local $c i32) (local $unit i64) (local $v i64)
  (local.set $p (i32.sub (local.get $end) (i32.const 2)))
  (local.set $unit (i64.const 1))
  (loop $digits
   (local.set $c (i32.sub (i32.load8_u (local.get $p)) (i32.const 48)))
   (if (i32.lt_u (local.get $c) (i32.const 10)) (then
    (local.set $v (i64.add (local.get $v) (i64.mul (local.get $unit) (i64.extend_i32_u (local.get $c)))))
    (local.set $unit (i64.mul (local.get $unit) (i64.const 10)))
    (local.set $p (i32.sub (local.get $p) (i32.const 1)))
    (br $digits))))
  (local.get $v))
 ;; write writes a number at p and returns the address after it.
 (func $write (param $p i32) (param $v i64) (result i32) (local $end i32) (local $w i64)
  (local.set $end (i32.add (local.get $p) (i32.const 1)))
  (local.set $w (i64.div_u (local.get $v) (i64.const 10)))
  (loop $count
   (if (i64.ne (local.get $w) (i64.const 0)) (then
    (local.set $end (i32.add (local.get $end) (i32.const 1)))
    (local.set $w (i64.div_u (local.get $w) (i64.const 10)))
    (br $count))))
  (local.set $p (local.get $end))
  (loop $digits
   (local.set $p (i32.sub (local.get $p) (i32.const 1)))
   (i32.store8 (local.get $p) (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $v) (i64.const 10)))))
   (local.set $v (i64.div_u (local.get $v) (i64.const 10)))
   (br_if $digits (i64.ne (local.get $v) (i64.const 0))))
  (local.get $end))
 ;; seq returns the seq of the event.
 (func $seq (param $end i32) (result i64) (local $p i32) (local $c i32) (local $v i64)
  (local.set $p (i32.add (call $find (i32.const 1024) (local.get $end) (i64.const 0x3a2271657322) (i64.const 0xffffffffffff)) (i32.const 6)))
  (loop $digits
   (local.set $c (i32.sub (i32.load8_u (local.get $p)) (i32.const 48)))
   (if (i32.lt_u (local.get $c) (i32.const 10)) (then
    (local.set $v (i64.add (i64.mul (local.get $v) (i64.const 10)) (i64.extend_i32_u (local.get $c))))
    (local.set $p (i32.add (local.get $p) (i32.const 1)))
    (br $digits))))
  (local.get $v))
 ;; settle adds the event to kv and to the state, and gives the result that begins at p.
 (func $settle (param $p i32) (param $size i32) (param $end i32) (local $at i32) (local $seq i64)
  (local.set $seq (call $seq (local.get $end)))
  (i64.store (i32.const 256) (i64.const 0))
  (drop (call $kv_get (i32.const 192) (i32.const 1) (i32.const 256) (i32.const 8)))
  (i64.store (i32.const 256) (i64.add (i64.load (i32.const 256)) (local.get $seq)))
  (if (i32.ne (call $kv_set (i32.const 192) (i32.const 1) (i32.const 256) (i32.const 8)) (i32.const 0)) (then (unreachable)))
  (memory.copy (i32.const 512) (local.get $p) (local.get $size))
  (local.set $at (call $write (i32.add (i32.const 512) (local.get $size)) (i64.and (i64.const 0x7fffffff) (i64.add (i64.mul (call $number (local.get $end)) (i64.const 31)) (local.get $seq)))))
  (i32.store8 (local.get $at) (i32.const 125))
  (drop (call $done (i32.const 512) (i32.sub (local.get $at) (i32.const 511)))))
 (func (export "_start") (local $n i32) (local $c i32)
  (loop $events
   (local.set $n (call $next (i32.const 1024) (i32.const 2097152)))
   (if (i32.lt_s (local.get $n) (i32.const 0)) (then (return)))
   (drop (call $log (i32.const 128) (i32.const 5)))
   (local.set $c (call $letter (i32.add (local.get $n) (i32.const 1016))))
   (if (i32.eq (local.get $c) (i32.const 120)) (then (unreachable)))
   (if (i32.eq (local.get $c) (i32.const 101)) (then (return)))
   (loop $forever (br_if $forever (i32.eq (local.get $c) (i32.const 108))))
   (if (i32.eq (local.get $c) (i32.const 111)) (then (call $settle (i32.const 160) (i32.const 24) (i32.add (local.get $n) (i32.const 1024)))))
   (if (i32.eq (local.get $c) (i32.const 115)) (then (call $settle (i32.const 0) (i32.const 26) (i32.add (local.get $n) (i32.const 1024)))))
   (if (i32.eq (local.get $c) (i32.const 114)) (then (drop (call $done (i32.const 32) (i32.const 19)))))
   (if (i32.eq (local.get $c) (i32.const 106)) (then (drop (call $done (i32.const 64) (i32.const 20)))))
   (if (i32.eq (local.get $c) (i32.const 98)) (then (drop (call $done (i32.const 96) (i32.const 8)))))
   (br $events))))
