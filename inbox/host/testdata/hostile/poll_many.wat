;; Polls more subscriptions than its memory can hold.
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (if (i32.eqz (call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const 0x10000) (i32.const 128))) (then unreachable))
    (if (i32.eqz (call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const 0x05000000) (i32.const 128))) (then unreachable))))
