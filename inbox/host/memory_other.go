//go:build !unix

package host

// fixed says that a memory grows, and moves when it does.
const fixed = false

// reserve returns zeroed memory.
func reserve(size uint64) []byte {
	if size == 0 || size != uint64(int(size)) {
		return nil
	}
	return make([]byte, size)
}

// wipe reports that memory is not to be used again: Go's collector has it.
func wipe([]byte) bool { return false }

func unreserve([]byte) {}
