//go:build wasip1

package sdk

import (
	"errors"
	"os"
	"strconv"
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
type host struct {
	buf []byte // of the document; kept from event to event
}

func newHost() *host { return &host{buf: make([]byte, 64<<10)} }

// maxKept is the size in bytes of the largest buffer that is kept for the next event.
const maxKept = 1 << 20

// next asks for the next document, which is valid until the next call. When the buffer is too small, it asks once more with a larger
// one.
func (h *host) next() ([]byte, bool) {
	for buf := h.buf; ; {
		n := hostNext(unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf)))
		switch {
		case n == abi.NoMore:
			return nil, false
		case n < 0:
			fail("next", n)
		case int(n) <= len(buf):
			if len(buf) <= maxKept {
				h.buf = buf
			}
			return buf[:n], true
		}
		buf = make([]byte, n)
	}
}

func (*host) done(result []byte) {
	if n := hostDone(unsafe.Pointer(unsafe.SliceData(result)), uint32(len(result))); n < 0 {
		fail("done", n)
	}
}

// readWithheld asks for a text that was withheld from the document.
func readWithheld(w abi.Withheld) ([]byte, error) {
	text := make([]byte, w.Size)
	n := hostEventRead(unsafe.Pointer(unsafe.StringData(w.Pointer)), uint32(len(w.Pointer)), 0, unsafe.Pointer(unsafe.SliceData(text)), uint32(len(text)))
	if int(n) != len(text) {
		return nil, errors.New("inbox_v1.event_read answered " + strconv.Itoa(int(n)) + " for a text of " + strconv.Itoa(len(text)) + " bytes, which this SDK does not expect")
	}
	return text, nil
}

// fail exits the plugin after the host, or this package, broke the contract. The attempt fails and is retried.
func fail(call string, code int32) {
	logLine("inbox_v1." + call + " answered " + strconv.Itoa(int(code)) + ", which this SDK does not expect")
	os.Exit(1)
}

func logLine(line string) {
	hostLog(unsafe.Pointer(unsafe.StringData(line)), uint32(len(line)))
}
