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

// Lock is the right to write to a store, held by a server for its life and by an offline command for one change. It
// is an advisory lock on a file of its own: closing any descriptor of the database would drop SQLite's own locks.
type Lock struct {
	file *flock.Flock
	path string // of the holder's note, empty for short locks
}

// Holding is what a server says of itself beside the lock.
type Holding struct {
	PID       int       `json:"pid"`
	Socket    string    `json:"socket,omitempty"`
	Webhooks  string    `json:"webhooks,omitempty"` // the address they come to
	StartedAt time.Time `json:"started_at"`
}

// TryLock takes the lock for one change. It is Unavailable while a server holds it.
func TryLock(dir string) (*Lock, error) {
	return WaitLock(context.Background(), dir, 2*time.Second)
}

// WaitLock takes the lock, waiting a while for a command that is about to release it. When a server holds it, that is
// Unavailable at once.
func WaitLock(ctx context.Context, dir string, patience time.Duration) (*Lock, error) {
	path := filepath.Join(dir, LockFile)
	file := flock.New(path, flock.SetPermissions(0o600))
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		got, err := file.TryLock()
		if err != nil {
			return nil, inbox.Errorf(inbox.Unavailable, "lock "+path, "%w", err).WithHint("the data directory must be writable by this user")
		}
		if got && named(file) {
			return &Lock{file: file}, nil
		}
		if got { // the lock of a file that was removed meanwhile holds nobody off
			if err := file.Unlock(); err != nil {
				return nil, fmt.Errorf("release the lock: %w", err)
			}
		} else if h, ok := readNote(dir); ok && alive(h.PID) {
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

// named reports whether a locked file is the one at its name.
func named(file *flock.Flock) bool {
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

// Announce writes beside the lock who holds it, so that commands find the server.
func (l *Lock) Announce(dir string, h Holding) error {
	note, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("announce the server: %w", err)
	}
	l.path = filepath.Join(dir, NoteFile)
	if err := WriteFile(l.path, append(note, '\n'), 0o600); err != nil {
		return inbox.Errorf(inbox.Unavailable, "announce the server", "%w", err)
	}
	return nil
}

// Release gives the lock back. The note stays where the directory is another one by now: it may be another server's.
func (l *Lock) Release() error {
	if l.path != "" && named(l.file) {
		if err := os.Remove(l.path); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("remove %s: %w", l.path, err)
		}
	}
	if err := l.file.Unlock(); err != nil {
		return fmt.Errorf("release the lock: %w", err)
	}
	return nil
}

// Holder returns the server that runs on a data directory, and whether one does. The lock tells, not the note: a note
// may be left over from a server that was killed.
func Holder(dir string) (Holding, bool) {
	h, ok := readNote(dir)
	if !ok {
		return h, false
	}
	file := flock.New(filepath.Join(dir, LockFile), flock.SetPermissions(0o600))
	got, err := file.TryLock()
	if err != nil {
		return h, false
	}
	if got {
		_ = file.Unlock() // it was free: the note is left over
		return h, false
	}
	return h, true
}

func readNote(dir string) (Holding, bool) {
	var h Holding
	note, err := os.ReadFile(filepath.Join(dir, NoteFile))
	if err != nil || json.Unmarshal(note, &h) != nil {
		return h, false
	}
	return h, true
}
