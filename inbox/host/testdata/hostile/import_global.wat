;; Imports a global of the meter.
(module
  (import "inbox_meter" "left" (global (mut i64)))
  (memory (export "memory") 1)
  (func (export "_start")))
