;; Breaks before it began.
(module
  (memory (export "memory") 1)
  (start $begin)
  (func $begin
    unreachable)
  (func (export "_start")))
