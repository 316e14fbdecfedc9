;; A function without a name, of a module without one.
(module
  (import "" "" (func))
  (memory (export "memory") 1)
  (func (export "_start")))
