;; Imports the function of the meter.
(module
  (import "inbox_meter" "charge" (func (param i64) (result i64)))
  (memory (export "memory") 1)
  (func (export "_start")))
