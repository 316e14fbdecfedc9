package datadir

import (
	"io/fs"
	"os"
)

func open(path string) (*os.File, error) { return os.Open(path) }

// inode returns nothing: a stat on Windows does not return the file's id.
func inode(fs.FileInfo) string { return "" }

// Owner returns -1: it is not known on Windows.
func Owner(string) int { return -1 }

// Unsafe reports every file as safe: on Windows, a file's mode does not say who may write.
func Unsafe(path string, _ int) (why string, ours bool, err error) {
	_, err = os.Stat(path)
	return "", true, err
}

// Protect does nothing on Windows.
func Protect(string) error { return nil }
