;; May grow to four gigabytes by its own words.
(module
  (memory (export "memory") 1 65536)
  (func (export "_start")
    nop))
