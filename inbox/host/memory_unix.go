//go:build unix

package host

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// fixed means that a memory has its full length from the start. Pages cost nothing until they are touched.
const fixed = true

// reserve returns zeroed memory, nil when the system has no memory for it.
func reserve(size uint64) []byte {
	if size == 0 || size != uint64(int(size)) {
		return nil
	}
	buf, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	return buf
}

// wipe zeroes memory by returning its pages to the system, which is quick for any size. It reports success: only Linux promises
// zeros.
func wipe(used []byte) bool {
	return len(used) == 0 || (runtime.GOOS == "linux" && unix.Madvise(used, unix.MADV_DONTNEED) == nil)
}

func unreserve(buf []byte) { _ = unix.Munmap(buf) } // fails only for memory that was not reserved
