;; Reads at an address and an offset whose sum exceeds 32 bits.
(module
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (i64.load offset=0xfffffffc (i32.const -1)))))
