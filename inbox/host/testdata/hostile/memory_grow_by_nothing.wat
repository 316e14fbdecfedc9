;; Grows the memory by zero pages forever.
(module
  (memory (export "memory") 1)
  (func (export "_start")
    (loop $l (drop (memory.grow (i32.const 0))) (br $l))))
