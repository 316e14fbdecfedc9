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

// open opens a file that may be a pipe. Without O_NONBLOCK, the open would wait for a writer.
func open(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
}

// othersWrite has the mode bits that let users other than the owner write.
const othersWrite = 0o022

// Owner returns the id of the user who owns the file at a path, -1 when it is not known.
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

// Unsafe returns the reason why another user could change the file at a path; "" when no other user can. A file is unsafe when it
// belongs to a user other than this one, root and the trusted user (-1: no trusted user), or when its group or everybody can
// write it. Every file on a read-only file system is safe: the owner and the mode of a mounted configuration may be any. ours
// reports that this user owns the file, so that [Protect] can correct its mode.
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
	const flag = 1 // ST_RDONLY on Linux, MNT_RDONLY on the BSDs and macOS
	return unix.Statfs(path, &st) == nil && st.Flags&flag != 0
}

// Protect removes the write permissions of the group and of others. It returns an error for a link, and does not change its target.
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
