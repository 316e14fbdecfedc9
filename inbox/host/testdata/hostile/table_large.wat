;; Has a table of 100,000 elements from the start.
(module
  (memory (export "memory") 1)
  (table 100000 funcref)
  (func (export "_start")
    nop))
