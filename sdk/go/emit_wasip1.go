//go:build wasip1

package sdk

import "unsafe"

//go:wasmimport inbox_v1 emit
func hostEmit(ptr unsafe.Pointer, size uint32) int32

func emit(entry []byte) int32 {
	return hostEmit(unsafe.Pointer(unsafe.SliceData(entry)), uint32(len(entry)))
}
