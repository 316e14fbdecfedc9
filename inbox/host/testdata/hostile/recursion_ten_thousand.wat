;; Calls ten thousand deep and returns. The interpreter allows two thousand.
(module
  (memory (export "memory") 1)
  (func $f (param $n i32)
    (if (local.get $n) (then (call $f (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "_start")
    (call $f (i32.const 10000))))
