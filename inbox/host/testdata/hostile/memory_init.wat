;; Copies a passive segment forever.
(module
  (memory (export "memory") 1)
  (data $d "01234567")
  (func (export "_start")
    (loop $l (memory.init $d (i32.const 0) (i32.const 0) (i32.const 8)) (br $l))))
