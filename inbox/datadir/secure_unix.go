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

// Secure makes sure that only this user and root can change the files that a server uses. A user who can write to the data
// directory could replace the store. A user who can write to the cache could make the server run machine code. Secure corrects the
// modes of this user's files and logs each change. A file of another user is a Forbidden error, also when the server runs as root.
func Secure(data string, log *slog.Logger) error {
	if _, err := restrict(data, 0o700, log); err != nil {
		return err
	}
	for _, name := range []string{Database, WAL, StoreKey, Token, LockFile} {
		if _, err := restrict(filepath.Join(data, name), 0o600, log); err != nil {
			return err
		}
	}
	if _, err := restrict(filepath.Join(data, Releases), 0o700, log); err != nil { // its files are verified by their digests
		return err
	}
	return secureCache(filepath.Join(data, Cache), log)
}

// secureCache restricts the cache to this user. It empties a cache that other users could write to, because the server would run
// the machine code that they put there.
func secureCache(dir string, log *slog.Logger) error {
	writable, err := restrict(dir, 0o700, log)
	if err != nil {
		return err
	}
	dir, err = filepath.EvalSymlinks(dir) // the operator may have put it on another disk
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && !writable {
		writable, err = hasUntrusted(dir)
	}
	if err == nil && writable {
		err = removeContents(dir)
	}
	if err != nil {
		return inbox.Errorf(inbox.Unavailable, "empty the cache", "%w", err).WithHint("remove " + dir + ": the server creates it again")
	}
	if !writable {
		return nil
	}
	log.Warn("the cache of machine code was emptied: others could write to it", "directory", dir)
	return nil
}

// hasUntrusted reports whether a directory contains a file that another user owns or can write to, or a link. The target of a
// link is not checked.
func hasUntrusted(dir string) (found bool, err error) {
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

func removeContents(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

// restrict makes sure that only this user and root can change a file or directory. It sets the mode of this user's files, and
// reports whether other users could write before. A path without a file is no error.
func restrict(path string, mode fs.FileMode, log *slog.Logger) (writable bool, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, inbox.Errorf(inbox.Unavailable, "check "+path, "%w", err)
	}
	perm := info.Mode().Perm()
	writable = perm&0o022 != 0
	switch {
	case !trusted(info):
		return writable, inbox.Errorf(inbox.Forbidden, "", "%s belongs to user %d, and the server runs as user %d: that user could change the server's files",
			path, owner(info), os.Geteuid()).
			WithHint(fmt.Sprintf("run it as user %[1]d, or give it a directory of its own with --data, or `chown -R %[2]d %[3]s`", owner(info), os.Geteuid(), filepath.Clean(path)))
	case owner(info) != os.Geteuid(): // root's
		if writable {
			return writable, inbox.Errorf(inbox.Forbidden, "", "%s belongs to root, and others can write to it (mode %#o)", path, perm).
				WithHint("name a new directory in it with --data, which the server creates, or `chmod go-w " + filepath.Clean(path) + "`")
		}
		return writable, nil
	case perm&0o077 == 0:
		return writable, nil
	}
	if err := os.Chmod(path, mode); err != nil {
		return writable, inbox.Errorf(inbox.Unavailable, "restrict "+path+" to this user", "%w", err)
	}
	if info, err = os.Stat(path); err == nil && info.Mode().Perm()&0o022 != 0 {
		return writable, inbox.Errorf(inbox.Forbidden, "", "others can write to %s, and its file system does not store modes", path).
			WithHint("put the data directory on a local file system that has owners and modes")
	}
	level := slog.LevelInfo
	if writable {
		level = slog.LevelWarn
	}
	log.Log(context.Background(), level, "other users had access to a file of the server; it is restricted to this user alone now",
		"path", path, "mode_before", fmt.Sprintf("%#o", perm), "mode", fmt.Sprintf("%#o", mode))
	return writable, nil
}

// trusted reports whether a file belongs to this user or to root. Root can change every file anyway.
func trusted(info fs.FileInfo) bool { return owner(info) == 0 || owner(info) == os.Geteuid() }

func owner(info fs.FileInfo) int {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return os.Geteuid()
	}
	return int(st.Uid)
}
