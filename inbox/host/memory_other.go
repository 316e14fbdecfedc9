//go:build !unix

package host

// fixed is false: a memory grows, and moves when it does.
const fixed = false

// reserve returns zeroed memory.
func reserve(size uint64) []byte {
	if size == 0 || size != uint64(int(size)) {
		return nil
	}
	return make([]byte, size)
}

// wipe returns false: the memory must not be used again, and Go's collector frees it.
func wipe([]byte) bool { return false }

func unreserve([]byte) {}
