//go:build wasip1

package sdk

import (
	"fmt"
	"os"
	"unsafe"

	"inbox/sdk/abi"
)

//go:wasmimport inbox_v1 next
func hostNext(buf unsafe.Pointer, size uint32) int32

//go:wasmimport inbox_v1 done
func hostDone(ptr unsafe.Pointer, size uint32) int32

//go:wasmimport inbox_v1 log
func hostLog(ptr unsafe.Pointer, size uint32) int32

//go:wasmimport inbox_v1 event_read
func hostEventRead(ptr unsafe.Pointer, ptrSize, off uint32, buf unsafe.Pointer, size uint32) int32

// host calls the imports of the host that runs the plugin.
type host struct{}

func newHost() host { return host{} }

// next asks for the next document. When the buffer is too small, it asks once more with a larger one.
func (host) next() ([]byte, bool) {
	buf := make([]byte, 64<<10)
	for {
		n := hostNext(unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf)))
		switch {
		case n == abi.NoMore:
			return nil, false
		case n < 0:
			fail("next", n)
		case int(n) <= len(buf):
			return buf[:n], true
		}
		buf = make([]byte, n)
	}
}

func (host) done(result []byte) {
	if n := hostDone(unsafe.Pointer(unsafe.SliceData(result)), uint32(len(result))); n < 0 {
		fail("done", n)
	}
}

// readWithheld asks for a text that was withheld from the document.
func readWithheld(w abi.Withheld) ([]byte, error) {
	text := make([]byte, w.Size)
	n := hostEventRead(unsafe.Pointer(unsafe.StringData(w.Pointer)), uint32(len(w.Pointer)), 0, unsafe.Pointer(unsafe.SliceData(text)), uint32(len(text)))
	if int(n) != len(text) {
		return nil, fmt.Errorf("inbox_v1.event_read answered %d for a text of %d bytes, which this SDK does not expect", n, len(text))
	}
	return text, nil
}

// fail exits the plugin after the host, or this package, broke the contract. The attempt fails and is retried.
func fail(call string, code int32) {
	logLine(fmt.Sprintf("inbox_v1.%s answered %d, which this SDK does not expect", call, code))
	os.Exit(1)
}

func logLine(line string) {
	hostLog(unsafe.Pointer(unsafe.StringData(line)), uint32(len(line)))
}
