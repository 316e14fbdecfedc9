;; Polls more subscriptions than a call may have: 1024 are answered, one more is an error, and so is the whole memory.
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 256)
  (func (export "_start") (local $i i32)
    (loop $each ;; to write to standard output
      (i32.store8 offset=8 (local.get $i) (i32.const 2))
      (i32.store offset=16 (local.get $i) (i32.const 1))
      (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 48))) (i32.const 0xf00000))))
    (if (call $poll_oneoff (i32.const 0) (i32.const 0xf10000) (i32.const 1024) (i32.const 0xfffff0)) (then unreachable))
    (if (i32.ne (i32.load (i32.const 0xfffff0)) (i32.const 1024)) (then unreachable))
    (if (i32.ne (call $poll_oneoff (i32.const 0) (i32.const 0xf10000) (i32.const 1025) (i32.const 0xfffff0)) (i32.const 28)) (then unreachable)) ;; EINVAL
    (if (i32.ne (call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const 300000) (i32.const 0xfffff0)) (i32.const 28)) (then unreachable))))
