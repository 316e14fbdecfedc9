;; Copies a segment that it dropped.
(module
  (memory (export "memory") 1)
  (data $d "x")
  (func (export "_start")
    (data.drop $d)
    (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))))
