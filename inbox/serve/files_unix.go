//go:build unix

package serve

import "syscall"

// openFiles returns how many files the process may have open; 0 means that nobody knows.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return uint64(limit.Cur) // signed on some systems, never negative
}
