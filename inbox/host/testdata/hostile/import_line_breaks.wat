;; A name that would write lines of its own into a log.
(module
  (import "env" "a\0alevel=ERROR" (func))
  (memory (export "memory") 1)
  (func (export "_start")))
