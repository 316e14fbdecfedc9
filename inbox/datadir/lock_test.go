package datadir_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/datadir"
)

func TestASecondServerGetsAnErrorThatNamesTheFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock, err := datadir.WaitLock(t.Context(), dir, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Announce(dir, datadir.Holding{PID: os.Getpid(), Socket: "/x.sock"}); err != nil {
		t.Fatal(err)
	}
	if _, err := datadir.WaitLock(t.Context(), dir, time.Second); inbox.KindOf(err) != inbox.Unavailable || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("the second server: %v", err)
	}
	if h, ok := datadir.Holder(dir); !ok || h.Socket != "/x.sock" {
		t.Errorf("holder %+v, %v", h, ok)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if _, ok := datadir.Holder(dir); ok {
		t.Error("a released lock has a holder")
	}
}

func TestAServerWaitsForACommandThatHoldsTheLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	short, err := datadir.TryLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	acquired := make(chan error, 1)
	go func() {
		l, err := datadir.WaitLock(t.Context(), dir, 10*time.Second)
		if err == nil {
			err = l.Release()
		}
		acquired <- err
	}()
	if _, err := datadir.WaitLock(t.Context(), dir, 50*time.Millisecond); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("while a command writes: %v", err)
	}
	if _, running := datadir.Holder(dir); running {
		t.Error("a command is taken for a server")
	}
	if err := short.Release(); err != nil {
		t.Fatal(err)
	}
	if err := <-acquired; err != nil {
		t.Errorf("the server that waited: %v", err)
	}
	// A killed server leaves its holder's file.
	if err := os.WriteFile(filepath.Join(dir, datadir.HolderFile), []byte(`{"pid":1,"socket":"/old.sock"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, running := datadir.Holder(dir); running {
		t.Error("a holder's file without a lock is taken for a server")
	}
	if l, err := datadir.TryLock(dir); err != nil {
		t.Errorf("beside an old holder's file: %v", err)
	} else if err := l.Release(); err != nil {
		t.Error(err)
	}
}
