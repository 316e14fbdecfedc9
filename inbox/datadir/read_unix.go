//go:build unix

package datadir

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// open opens a file that may be a pipe: without O_NONBLOCK the open itself would wait for a writer.
func open(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
}

// othersWrite are the mode bits that let others than its owner write.
const othersWrite = 0o022

// Owner returns the number of the user that a path belongs to, -1 when it is not known.
func Owner(path string) int {
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// Unsafe says why somebody else could change what is at a path, "" when nobody can: it belongs to another user than ours, root
// and a trusted one (-1: none), or its mode lets a group or everybody write. A file system that is mounted read-only is safe:
// such a mounted configuration has whatever owner and mode it has. ours reports that it belongs to us, so that [Protect] mends it.
func Unsafe(path string, trusted int) (why string, ours bool, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", false, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", false, nil
	}
	ours = int(st.Uid) == os.Geteuid()
	switch {
	case !ours && st.Uid != 0 && int(st.Uid) != trusted:
		why = fmt.Sprintf("belongs to user %d", st.Uid)
	case info.Mode().Perm()&othersWrite != 0:
		why = fmt.Sprintf("can be written by others (mode %04o)", info.Mode().Perm())
	}
	if why != "" && readOnly(path) {
		why = ""
	}
	return why, ours, nil
}

func readOnly(path string) bool {
	var st unix.Statfs_t
	const flag = 1 // ST_RDONLY of Linux, MNT_RDONLY of the BSDs and macOS
	return unix.Statfs(path, &st) == nil && st.Flags&flag != 0
}

// Protect takes the right to write from the group and from everybody. What a link names is left as it is.
func Protect(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("%s is a link", filepath.Base(path))
	}
	return os.Chmod(path, info.Mode().Perm()&^othersWrite)
}
