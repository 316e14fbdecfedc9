;; Loops with a loop that has a parameter and a result.
(module
  (memory (export "memory") 1)
  (func (export "_start")
    i32.const 1
    loop $l (param i32) (result i32)
      i32.const 1
      i32.add
      br $l
    end
    drop))
