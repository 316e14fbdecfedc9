//go:build unix

package datadir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"inbox/inbox"
)

// Secure makes sure that nobody but this user and root can change what a server works with: who can write to the data
// directory can replace the store, and who can write to the cache has the server run machine code. What is this user's is
// put right, and the log says so; what is another's is refused, for root too.
func Secure(data string, log *slog.Logger) error {
	if _, err := own(data, 0o700, log); err != nil {
		return err
	}
	for _, name := range []string{Database, WAL, StoreKey, Token, LockFile} {
		if _, err := own(filepath.Join(data, name), 0o600, log); err != nil {
			return err
		}
	}
	if _, err := own(filepath.Join(data, Releases), 0o700, log); err != nil { // its files are known by their digests
		return err
	}
	return ownCache(filepath.Join(data, Cache), log)
}

// ownCache empties a cache that others could write to: what they put there would run.
func ownCache(dir string, log *slog.Logger) error {
	open, err := own(dir, 0o700, log)
	if err != nil {
		return err
	}
	dir, err = filepath.EvalSymlinks(dir) // the operator may have put it on another disk
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && !open {
		open, err = strange(dir)
	}
	if err == nil && open {
		err = empty(dir)
	}
	if err != nil {
		return inbox.Errorf(inbox.Unavailable, "empty the cache", "%w", err).WithHint("remove " + dir + ": it is made anew")
	}
	if !open {
		return nil
	}
	log.Warn("the cache of machine code was emptied: others could write to it", "directory", dir)
	return nil
}

// strange reports whether something in a directory is, or may be, another user's: a link leads to what was not looked at.
func strange(dir string) (found bool, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !trusted(info) || info.Mode().Perm()&0o022 != 0 || info.Mode()&fs.ModeSymlink != 0 {
			found = true
			return fs.SkipAll
		}
		return nil
	})
	return found, err
}

func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

// own makes sure that a file or directory, if there is one, can be changed by this user and root alone, and reports whether
// others could.
func own(path string, mode fs.FileMode, log *slog.Logger) (open bool, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, inbox.Errorf(inbox.Unavailable, "look at "+path, "%w", err)
	}
	perm := info.Mode().Perm()
	open = perm&0o022 != 0
	switch {
	case !trusted(info):
		return open, inbox.Errorf(inbox.Forbidden, "", "%s belongs to user %d, and the server runs as user %d: that user could change what it works with",
			path, owner(info), os.Geteuid()).
			WithHint(fmt.Sprintf("run it as user %[1]d, or give it a directory of its own with --data, or `chown -R %[2]d %[3]s`", owner(info), os.Geteuid(), filepath.Clean(path)))
	case owner(info) != os.Geteuid(): // root's
		if open {
			return open, inbox.Errorf(inbox.Forbidden, "", "%s belongs to root, and others can write to it (mode %#o)", path, perm).
				WithHint("name a directory in it with --data, which the server makes for itself, or `chmod go-w " + filepath.Clean(path) + "`")
		}
		return open, nil
	case perm&0o077 == 0:
		return open, nil
	}
	if err := os.Chmod(path, mode); err != nil {
		return open, inbox.Errorf(inbox.Unavailable, "make "+path+" this user's alone", "%w", err)
	}
	if info, err = os.Stat(path); err == nil && info.Mode().Perm()&0o022 != 0 {
		return open, inbox.Errorf(inbox.Forbidden, "", "others can write to %s, and its file system keeps no modes", path).
			WithHint("put the data directory on a local file system that has owners and modes")
	}
	level := slog.LevelInfo
	if open {
		level = slog.LevelWarn
	}
	log.Log(context.Background(), level, "others could use a file of the server; it is for this user alone now",
		"path", path, "mode_before", fmt.Sprintf("%#o", perm), "mode", fmt.Sprintf("%#o", mode))
	return open, nil
}

// trusted reports whether a file belongs to this user or to root, who can change everything anyway.
func trusted(info fs.FileInfo) bool { return owner(info) == 0 || owner(info) == os.Geteuid() }

func owner(info fs.FileInfo) int {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return os.Geteuid()
	}
	return int(st.Uid)
}
