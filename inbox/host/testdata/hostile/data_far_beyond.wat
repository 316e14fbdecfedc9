;; Has a data segment at the end of the 32-bit address space.
(module
  (memory (export "memory") 1)
  (data (i32.const -1) "xy")
  (func (export "_start")
    nop))
