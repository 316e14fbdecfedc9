;; Imports a name that would add lines to a log.
(module
  (import "env" "a\0alevel=ERROR" (func))
  (memory (export "memory") 1)
  (func (export "_start")))
