;; Needs four gigabytes of memory at the start.
(module
  (memory (export "memory") 65536)
  (func (export "_start")
    nop))
