;; Reads before it may, with invalid pointers and lengths, and hidden values. Logs "data" if every such read fails. /data/photo is 20 bytes: 0 to 9 twice.
(module (import "inbox_v1" "next" (func $next (param i32 i32) (result i32))) (import "inbox_v1" "done" (func $done (param i32 i32) (result i32)))
 (import "inbox_v1" "log" (func $log (param i32 i32) (result i32)))
 (import "inbox_v1" "event_read" (func $read (param i32 i32 i32 i32 i32) (result i32)))
 (memory (export "memory") 2) (data (i32.const 0) "/data/photo/secret/data/id/nothing")
 (func $is (param $got i32) (param $want i32) (if (i32.ne (local.get $got) (local.get $want)) (then unreachable)))
 (func $photo (param $off i32) (param $buf i32) (param $len i32) (result i32)
  (call $read (i32.const 0) (i32.const 11) (local.get $off) (local.get $buf) (local.get $len)))
 (func (export "_start")
  (call $is (call $photo (i32.const 0) (i32.const 1024) (i32.const 64)) (i32.const -2)) ;; there is no event
  (drop (call $next (i32.const 65536) (i32.const 1)))
  (call $is (call $photo (i32.const 0) (i32.const 1024) (i32.const 64)) (i32.const -2)) ;; it is not handed over
  (drop (call $next (i32.const 65536) (i32.const 65536)))
  (call $is (call $read (i32.const 131071) (i32.const 2) (i32.const 0) (i32.const 1024) (i32.const 64)) (i32.const -3))
  (call $is (call $read (i32.const -1) (i32.const 11) (i32.const 0) (i32.const 1024) (i32.const 64)) (i32.const -3))
  (call $is (call $read (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 1024) (i32.const 64)) (i32.const -3))
  (call $is (call $read (i32.const -1) (i32.const -1) (i32.const 0) (i32.const 1024) (i32.const 64)) (i32.const -3))
  (call $is (call $photo (i32.const 0) (i32.const 131060) (i32.const 64)) (i32.const -3))
  (call $is (call $photo (i32.const 0) (i32.const -1) (i32.const -1)) (i32.const -3))
  (call $is (call $photo (i32.const 19) (i32.const 131072) (i32.const 1)) (i32.const -3))
  (call $is (call $read (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1024) (i32.const 64)) (i32.const -1)) ;; the whole
  (call $is (call $read (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 1024) (i32.const 64)) (i32.const -1)) ;; /data
  (call $is (call $read (i32.const 0) (i32.const 12) (i32.const 0) (i32.const 1024) (i32.const 64)) (i32.const -1)) ;; /data/photo/
  (call $is (call $read (i32.const 11) (i32.const 7) (i32.const 0) (i32.const 1024) (i32.const 64)) (i32.const -1)) ;; /secret
  (call $is (call $read (i32.const 18) (i32.const 8) (i32.const 0) (i32.const 1024) (i32.const 64)) (i32.const -1)) ;; /data/id
  (call $is (call $read (i32.const 26) (i32.const 8) (i32.const 0) (i32.const 1024) (i32.const 64)) (i32.const -1)) ;; /nothing
  (call $is (i32.load (i32.const 1024)) (i32.const 0)) ;; nothing was written until here
  (call $is (call $photo (i32.const 0) (i32.const -1) (i32.const 0)) (i32.const 20)) ;; no room: nothing is written
  (call $is (call $photo (i32.const 20) (i32.const -1) (i32.const 64)) (i32.const 20)) ;; behind its end
  (call $is (call $photo (i32.const -1) (i32.const -1) (i32.const -1)) (i32.const 20))
  (call $is (call $photo (i32.const 3) (i32.const 1024) (i32.const 4)) (i32.const 20))
  (call $is (i32.load (i32.const 1024)) (i32.const 0x36353433))
  (call $is (i32.load (i32.const 1028)) (i32.const 0))
  (call $is (call $photo (i32.const 16) (i32.const 131068) (i32.const -1)) (i32.const 20)) ;; more room than there is memory
  (call $is (i32.load (i32.const 131068)) (i32.const 0x39383736))
  (drop (call $done (i32.const 0) (i32.const 0)))
  (if (i32.eq (call $photo (i32.const 0) (i32.const 1024) (i32.const 64)) (i32.const -2)) ;; its event is over
   (then (drop (call $log (i32.const 1) (i32.const 4)))))
  (drop (call $next (i32.const 65536) (i32.const 65536)))))
