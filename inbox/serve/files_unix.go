//go:build unix

package serve

import "syscall"

// openFiles returns the limit of open files of the process; 0 means unknown.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return uint64(limit.Cur) // signed on some systems, never negative
}
