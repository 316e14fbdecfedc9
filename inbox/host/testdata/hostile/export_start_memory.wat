;; A _start that is a memory.
(module
  (memory (export "_start") 1))
