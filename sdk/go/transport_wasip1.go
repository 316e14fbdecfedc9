//go:build wasip1

package sdk

import (
	"unsafe"

	"inbox/sdk/abi"
)

//go:wasmimport inbox_v1 next
func hostNext(buf unsafe.Pointer, size uint32) int32

//go:wasmimport inbox_v1 done
func hostDone(ptr unsafe.Pointer, size uint32) int32

//go:wasmimport inbox_v1 log
func hostLog(ptr unsafe.Pointer, size uint32) int32

// host is the inbox that runs the plugin.
type host struct{}

func newHost() host { return host{} }

// next asks for the next document, and once more with a larger buffer when it did not fit.
func (host) next() ([]byte, bool) {
	buf := make([]byte, 64<<10)
	for {
		n := hostNext(unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf)))
		switch {
		case n == abi.NoMore:
			return nil, false
		case n < 0:
			panic("inbox_v1.next failed")
		case int(n) <= len(buf):
			return buf[:n], true
		}
		buf = make([]byte, n)
	}
}

func (host) done(result []byte) {
	if hostDone(unsafe.Pointer(unsafe.SliceData(result)), uint32(len(result))) < 0 {
		panic("inbox_v1.done failed")
	}
}

func logLine(line string) {
	hostLog(unsafe.Pointer(unsafe.StringData(line)), uint32(len(line)))
}
