;; Declares a maximum of four gigabytes of memory.
(module
  (memory (export "memory") 1 65536)
  (func (export "_start")
    nop))
