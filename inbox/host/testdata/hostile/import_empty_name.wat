;; Imports a function with an empty name from a module with an empty name.
(module
  (import "" "" (func))
  (memory (export "memory") 1)
  (func (export "_start")))
