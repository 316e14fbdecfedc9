;; Loops in its start function.
(module
  (memory (export "memory") 1)
  (start $begin)
  (func $begin
    (loop $l (br $l)))
  (func (export "_start")))
