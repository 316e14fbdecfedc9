//go:build wasip1

package sdk

import (
	"unsafe"
)

//go:wasmimport inbox_v1 kv_get
func hostKVGet(key unsafe.Pointer, keySize uint32, buf unsafe.Pointer, size uint32) int32

//go:wasmimport inbox_v1 kv_set
func hostKVSet(key unsafe.Pointer, keySize uint32, value unsafe.Pointer, size uint32) int32

//go:wasmimport inbox_v1 kv_delete
func hostKVDelete(key unsafe.Pointer, keySize uint32) int32

//go:wasmimport inbox_v1 kv_list
func hostKVList(prefix unsafe.Pointer, prefixSize uint32, after unsafe.Pointer, afterSize uint32, buf unsafe.Pointer, size uint32) int32

// readAll calls a reading import with a small buffer first, and once more when the answer is longer.
func readAll(call func(buf unsafe.Pointer, size uint32) int32) ([]byte, int32) {
	buf := make([]byte, 512)
	n := call(unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf)))
	if int(n) > len(buf) {
		buf = make([]byte, n)
		n = call(unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf)))
	}
	if n < 0 {
		return nil, n
	}
	return buf[:n], n
}

func kvGet(key string) ([]byte, int32) {
	return readAll(func(buf unsafe.Pointer, size uint32) int32 {
		return hostKVGet(unsafe.Pointer(unsafe.StringData(key)), uint32(len(key)), buf, size)
	})
}

func kvSet(key string, value []byte) int32 {
	return hostKVSet(unsafe.Pointer(unsafe.StringData(key)), uint32(len(key)), unsafe.Pointer(unsafe.SliceData(value)), uint32(len(value)))
}

func kvDelete(key string) int32 {
	return hostKVDelete(unsafe.Pointer(unsafe.StringData(key)), uint32(len(key)))
}

func kvList(prefix, after string) ([]byte, int32) {
	return readAll(func(buf unsafe.Pointer, size uint32) int32 {
		return hostKVList(unsafe.Pointer(unsafe.StringData(prefix)), uint32(len(prefix)),
			unsafe.Pointer(unsafe.StringData(after)), uint32(len(after)), buf, size)
	})
}
