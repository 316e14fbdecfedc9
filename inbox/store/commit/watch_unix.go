//go:build unix

package commit

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// watched is true because open files can be moved, removed and replaced on Unix.
const watched = true

// fileID identifies a file.
type fileID struct{ dev, ino uint64 }

type fileStat struct {
	id   fileID
	size int64
}

func statFile(path string) (fileStat, error) { return statWith(unix.Stat, path) }

// lstatFile is statFile that does not follow links.
func lstatFile(path string) (fileStat, error) { return statWith(unix.Lstat, path) }

func statWith(call func(string, *unix.Stat_t) error, path string) (fileStat, error) {
	var st unix.Stat_t
	for {
		err := call(path, &st)
		if err == nil {
			return fileStat{fileID{uint64(st.Dev), uint64(st.Ino)}, st.Size}, nil
		}
		if err != unix.EINTR {
			return fileStat{}, &os.PathError{Op: "stat", Path: path, Err: err}
		}
	}
}

// links returns the number of names of a file.
func links(info os.FileInfo) uint64 {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 1
	}
	return uint64(st.Nlink)
}
