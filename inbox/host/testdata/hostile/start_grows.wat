;; Asks for too much memory in its start function.
(module
  (memory (export "memory") 1)
  (start $begin)
  (func $begin
    (if (i32.eq (memory.grow (i32.const 65535)) (i32.const -1)) (then unreachable)))
  (func (export "_start")))
