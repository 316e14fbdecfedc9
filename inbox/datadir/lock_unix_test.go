//go:build unix

package datadir_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"inbox/inbox/datadir"
)

func do(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// lock acquires the lock as a server with a socket does.
func lock(t *testing.T, dir, socket string) *datadir.Lock {
	t.Helper()
	l, err := datadir.WaitLock(t.Context(), dir, time.Minute)
	do(t, err)
	do(t, l.Announce(dir, datadir.Holding{PID: os.Getpid(), Socket: socket}))
	return l
}

func TestAfterItsFileWasRemovedALockCanBeAcquiredAgainAndTheFirstReleaseRemovesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := lock(t, dir, "/old.sock")
	do(t, os.Remove(filepath.Join(dir, datadir.LockFile)))
	next := lock(t, dir, "/next.sock")
	do(t, old.Release())
	if h, running := datadir.Holder(dir); !running || h.Socket != "/next.sock" {
		t.Errorf("the holder is %+v, %v", h, running)
	}
	do(t, next.Release())
	if _, running := datadir.Holder(dir); running || holderFileExists(dir) {
		t.Error("the second release left the holder's file")
	}
}

func holderFileExists(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, datadir.HolderFile))
	return err == nil
}
