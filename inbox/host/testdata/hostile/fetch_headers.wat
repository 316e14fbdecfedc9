;; Fetches with more headers than a request may have.
(module
 (import "inbox_v1" "next" (func $next (param i32 i32) (result i32))) (import "inbox_v1" "done" (func $done (param i32 i32) (result i32)))
 (import "inbox_v1" "http_fetch" (func $fetch (param i32 i32) (result i32)))
 (import "inbox_v1" "result" (func $result (param i32 i32 i32) (result i32)))
 (memory (export "memory") 2)
 (data (i32.const 65536) "{\"method\":\"GET\",\"url\":\"http://127.0.0.1:9/\",\"headers\":{\"X-0\":\"y\",\"X-1\":\"y\",\"X-2\":\"y\",\"X-3\":\"y\",\"X-4\":\"y\",\"X-5\":\"y\",\"X-6\":\"y\",\"X-7\":\"y\",\"X-8\":\"y\",\"X-9\":\"y\",\"X-10\":\"y\",\"X-11\":\"y\",\"X-12\":\"y\",\"X-13\":\"y\",\"X-14\":\"y\",\"X-15\":\"y\",\"X-16\":\"y\",\"X-17\":\"y\",\"X-18\":\"y\",\"X-19\":\"y\",\"X-20\":\"y\",\"X-21\":\"y\",\"X-22\":\"y\",\"X-23\":\"y\",\"X-24\":\"y\",\"X-25\":\"y\",\"X-26\":\"y\",\"X-27\":\"y\",\"X-28\":\"y\",\"X-29\":\"y\",\"X-30\":\"y\",\"X-31\":\"y\",\"X-32\":\"y\",\"X-33\":\"y\",\"X-34\":\"y\",\"X-35\":\"y\",\"X-36\":\"y\",\"X-37\":\"y\",\"X-38\":\"y\",\"X-39\":\"y\",\"X-40\":\"y\",\"X-41\":\"y\",\"X-42\":\"y\",\"X-43\":\"y\",\"X-44\":\"y\",\"X-45\":\"y\",\"X-46\":\"y\",\"X-47\":\"y\",\"X-48\":\"y\",\"X-49\":\"y\",\"X-50\":\"y\",\"X-51\":\"y\",\"X-52\":\"y\",\"X-53\":\"y\",\"X-54\":\"y\",\"X-55\":\"y\",\"X-56\":\"y\",\"X-57\":\"y\",\"X-58\":\"y\",\"X-59\":\"y\",\"X-60\":\"y\",\"X-61\":\"y\",\"X-62\":\"y\",\"X-63\":\"y\",\"X-64\":\"y\"}}")
 (func (export "_start")
  (drop (call $next (i32.const 0) (i32.const 60000)))
  (if (i32.ne (call $fetch (i32.const 65536) (i32.const 761)) (i32.const -7)) (then unreachable))
  (drop (call $done (i32.const 0) (i32.const 0)))))
