;; Branches out of sixteen loops.
(module
  (memory (export "memory") 1)
  (func (export "_start")
    (loop $l0 (loop $l1 (loop $l2 (loop $l3 (loop $l4 (loop $l5 (loop $l6 (loop $l7 (loop $l8 (loop $l9 (loop $l10 (loop $l11 (loop $l12 (loop $l13 (loop $l14 (loop $l15 (br $l0)))))))))))))))))))
