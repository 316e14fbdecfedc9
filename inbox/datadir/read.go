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

// readTimeout bounds the time that a read may block. Reads of a disk's files do not block.
const readTimeout = time.Second

// ErrNotRegular is the error for a path that is not a regular file, such as a pipe, a device or a directory.
var ErrNotRegular = errors.New("not a file")

// ErrTooLarge is the error for a file that is larger than the reader's limit.
var ErrTooLarge = errors.New("too large")

// Read returns the contents of a regular file of up to limit bytes. Links are followed, so that a folder of links to a mounted
// configuration works; the same bounds hold for their targets. An error wraps [ErrNotRegular], [ErrTooLarge] or the system's
// error, such as [fs.ErrNotExist]; its text names the file without its directory.
func Read(path string, limit int64) ([]byte, error) {
	b, _, err := ReadWith(path, limit)
	return b, err
}

// ReadWith is Read that also returns the description of the file that was read.
func ReadWith(path string, limit int64) ([]byte, fs.FileInfo, error) {
	// Opening a device may change its state, so the path is checked before. The open file is checked again, in case the path was
	// replaced meanwhile.
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, explainMissing(path, err)
	}
	if err := checkFile(path, info, limit); err != nil {
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
	if err := checkFile(path, info, limit); err != nil {
		return nil, nil, err
	}
	// Some system files have the mode of a regular file, but a read of them blocks, such as /proc/kmsg. Regular files do not
	// support deadlines.
	if err := f.SetReadDeadline(time.Now().Add(readTimeout)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
		return nil, nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, nil, fmt.Errorf("%s is %w but something that blocks its reader", filepath.Base(path), ErrNotRegular)
	case err != nil:
		return nil, nil, err
	}
	if int64(len(b)) > limit { // the file grew, or its stat has no size
		return nil, nil, fmt.Errorf("%s has more than %d bytes: %w", filepath.Base(path), limit, ErrTooLarge)
	}
	return b, info, nil
}

// explainMissing returns an error that says so when a path is a link without a target. Other errors are returned as they are.
func explainMissing(path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, lerr := os.Lstat(path); lerr != nil {
		return err
	}
	return fmt.Errorf("%s is %w but a link to a file that does not exist", filepath.Base(path), ErrNotRegular)
}

func checkFile(path string, info fs.FileInfo, limit int64) error {
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is %w but %s", filepath.Base(path), ErrNotRegular, kindOf(info.Mode()))
	case info.Size() > limit:
		return fmt.Errorf("%s has %d bytes, more than %d: %w", filepath.Base(path), info.Size(), limit, ErrTooLarge)
	}
	return nil
}

func kindOf(m fs.FileMode) string {
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

// Stamp returns a text that changes whenever the file at a path changes; "-" for a missing file. It contains the device, the inode,
// the size, the mode, the owner, and the change times of the content and of the inode. Programs cannot set the change time of an
// inode, so the stamp changes also when a file is rewritten in place with its old size and time (cp -p, rsync -t, tar). Links are
// followed.
func Stamp(path string) string {
	info, err := os.Stat(path)
	if err != nil && errors.Is(explainMissing(path, err), fs.ErrNotExist) {
		return "-"
	}
	if err != nil {
		return "! " + err.Error()
	}
	return fmt.Sprint(info.Size(), " ", info.ModTime().UnixNano(), " ", info.Mode(), " ", inode(info))
}
