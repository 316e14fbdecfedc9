// Package files reads files that somebody else wrote: within bounds, and only such as end. A link to /dev/zero would fill
// the memory, a pipe would hold its reader for ever, and a file may grow or be exchanged between a look at it and the
// reading. It knows no other package of the program.
package datadir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// longestWait bounds how long a file may keep its reader waiting. One on a disk never does.
const longestWait = time.Second

// ErrKind says that a path names something that is not a regular file, such as a pipe, a device or a directory.
var ErrKind = errors.New("not a file")

// ErrSize says that a file has more bytes than its reader takes.
var ErrSize = errors.New("too large")

// Read returns the bytes of a regular file, of which there may be most. Links are followed, so that a folder of links to a
// mounted configuration works; what is behind them is held to the same bounds. An error wraps [ErrKind], [ErrSize] or
// that of the system, such as [fs.ErrNotExist]; its text names the file without its directory.
func Read(path string, most int64) ([]byte, error) {
	b, _, err := ReadWith(path, most)
	return b, err
}

// ReadWith is Read that also describes the very file that was read.
func ReadWith(path string, most int64) ([]byte, fs.FileInfo, error) {
	// Opening alone may do something to a device, so it is asked for first; and again once open, in case it was exchanged.
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, dangling(path, err)
	}
	if err := fits(path, info, most); err != nil {
		return nil, nil, err
	}
	f, err := open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, nil, err
	}
	if err := fits(path, info, most); err != nil {
		return nil, nil, err
	}
	// Some files of the system call themselves regular and make their reader wait, such as /proc/kmsg. Others have no deadline.
	if err := f.SetReadDeadline(time.Now().Add(longestWait)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
		return nil, nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, nil, fmt.Errorf("%s is %w but something that makes its reader wait", filepath.Base(path), ErrKind)
	case err != nil:
		return nil, nil, err
	}
	if int64(len(b)) > most { // it grew, or did not say its size
		return nil, nil, fmt.Errorf("%s has more than %d bytes: %w", filepath.Base(path), most, ErrSize)
	}
	return b, info, nil
}

// dangling tells a link to nothing, which somebody meant to be a file, from no file.
func dangling(path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, lerr := os.Lstat(path); lerr != nil {
		return err
	}
	return fmt.Errorf("%s is %w but a link to a file that does not exist", filepath.Base(path), ErrKind)
}

func fits(path string, info fs.FileInfo, most int64) error {
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is %w but %s", filepath.Base(path), ErrKind, kind(info.Mode()))
	case info.Size() > most:
		return fmt.Errorf("%s has %d bytes, more than %d: %w", filepath.Base(path), info.Size(), most, ErrSize)
	}
	return nil
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}

// Stamp returns a text that changes whenever the file at a path does, "-" where there is nothing: device, inode, size, and the
// times of its content and of its inode. The last is set by the system alone: a file that is written in place and given its
// old size and time (cp -p, rsync -t, tar) has another one. Links are followed.
func Stamp(path string) string {
	info, err := os.Stat(path)
	if err != nil && errors.Is(dangling(path, err), fs.ErrNotExist) {
		return "-"
	}
	if err != nil {
		return "! " + err.Error()
	}
	return fmt.Sprint(info.Size(), " ", info.ModTime().UnixNano(), " ", info.Mode(), " ", inode(info))
}
