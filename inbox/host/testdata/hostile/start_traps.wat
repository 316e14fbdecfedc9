;; Traps in its start function.
(module
  (memory (export "memory") 1)
  (start $begin)
  (func $begin
    unreachable)
  (func (export "_start")))
