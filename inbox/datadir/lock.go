package datadir

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"

	"inbox/inbox"
)

// Lock is the exclusive right to write to a store. A server holds it as long as it runs, an offline command for one change. It is
// an advisory lock on a file of its own, because closing a descriptor of the database would drop SQLite's locks.
type Lock struct {
	file *flock.Flock
	path string // of the holder's file; empty for a command
}

// Holding describes the server that holds the lock. It is stored beside the lock.
type Holding struct {
	PID       int       `json:"pid"`
	Socket    string    `json:"socket,omitempty"`
	Webhooks  string    `json:"webhooks,omitempty"` // the address that receives them
	StartedAt time.Time `json:"started_at"`
}

// TryLock acquires the lock for one change. It waits up to two seconds, and returns an Unavailable error while a server holds the
// lock.
func TryLock(dir string) (*Lock, error) {
	return WaitLock(context.Background(), dir, 2*time.Second)
}

// WaitLock acquires the lock. It waits up to timeout for a command that holds it, then returns an Unavailable error. When a server
// holds the lock, it returns that error at once.
func WaitLock(ctx context.Context, dir string, timeout time.Duration) (*Lock, error) {
	path := filepath.Join(dir, LockFile)
	file := flock.New(path, flock.SetPermissions(0o600))
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		locked, err := file.TryLock()
		if err != nil {
			return nil, inbox.Errorf(inbox.Unavailable, "lock "+path, "%w", err).WithHint("the data directory must be writable by this user")
		}
		if locked && isAtPath(file) {
			return &Lock{file: file}, nil
		}
		if locked { // the file was removed meanwhile: its lock excludes no other process
			if err := file.Unlock(); err != nil {
				return nil, fmt.Errorf("release the lock: %w", err)
			}
		} else if h, ok := readHolder(dir); ok && alive(h.PID) {
			return nil, inbox.Errorf(inbox.Unavailable, "", "a server (process %d) is running on %s", h.PID, dir).
				WithHint("stop it first, or give this one another directory with --data")
		}
		select {
		case <-ctx.Done():
			return nil, inbox.Errorf(inbox.Unavailable, "lock "+path, "another process holds it").WithHint("try again in a moment")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// isAtPath reports whether a locked file still is the file at its path.
func isAtPath(file *flock.Flock) bool {
	if runtime.GOOS == "windows" { // an open file cannot be removed
		return true
	}
	held, err := file.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(file.Path())
	return err == nil && os.SameFile(held, now)
}

// Announce stores beside the lock which server holds it, so that commands find the server.
func (l *Lock) Announce(dir string, h Holding) error {
	text, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("announce the server: %w", err)
	}
	l.path = filepath.Join(dir, HolderFile)
	if err := WriteFile(l.path, append(text, '\n'), 0o600); err != nil {
		return inbox.Errorf(inbox.Unavailable, "announce the server", "%w", err)
	}
	return nil
}

// Release releases the lock and removes the holder's file. It keeps that file when the lock's file was removed or replaced,
// because the holder's file may be another server's then.
func (l *Lock) Release() error {
	if l.path != "" && isAtPath(l.file) {
		if err := os.Remove(l.path); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("remove %s: %w", l.path, err)
		}
	}
	if err := l.file.Unlock(); err != nil {
		return fmt.Errorf("release the lock: %w", err)
	}
	return nil
}

// Holder returns the server that runs on a data directory, and whether a server runs. The holder's file is not enough: a server
// that was killed leaves it. The lock must be held too.
func Holder(dir string) (Holding, bool) {
	h, ok := readHolder(dir)
	if !ok {
		return h, false
	}
	file := flock.New(filepath.Join(dir, LockFile), flock.SetPermissions(0o600))
	locked, err := file.TryLock()
	if err != nil {
		return h, false
	}
	if locked {
		_ = file.Unlock() // the server that wrote the file has ended
		return h, false
	}
	return h, true
}

func readHolder(dir string) (Holding, bool) {
	var h Holding
	text, err := os.ReadFile(filepath.Join(dir, HolderFile))
	if err != nil || json.Unmarshal(text, &h) != nil {
		return h, false
	}
	return h, true
}
