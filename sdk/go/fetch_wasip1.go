//go:build wasip1

package sdk

import (
	"unsafe"

	"inbox/sdk/abi"
)

//go:wasmimport inbox_v1 http_fetch
func hostFetch(ptr unsafe.Pointer, size uint32) int32

//go:wasmimport inbox_v1 result
func hostResult(off uint32, buf unsafe.Pointer, size uint32) int32

// httpFetch returns the answer to an encoded request, or the code of an error.
func httpFetch(entry []byte, _ *abi.Request) ([]byte, int32) {
	n := hostFetch(unsafe.Pointer(unsafe.SliceData(entry)), uint32(len(entry)))
	if n < 0 {
		return nil, n
	}
	text := make([]byte, n)
	if got := hostResult(0, unsafe.Pointer(unsafe.SliceData(text)), uint32(n)); got != n {
		return nil, got
	}
	return text, n
}

// AnswerFetches does nothing in a plugin that inbox runs: the host answers.
func AnswerFetches(func(abi.Request) abi.Fetched) (restore func()) { return func() {} }
