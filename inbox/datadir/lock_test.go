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

func TestASecondServerIsToldWhoHoldsTheStore(t *testing.T) {
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

func TestAServerWaitsForACommandAndACommandNotForAServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	short, err := datadir.TryLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		l, err := datadir.WaitLock(t.Context(), dir, 10*time.Second)
		if err == nil {
			err = l.Release()
		}
		got <- err
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
	if err := <-got; err != nil {
		t.Errorf("the server that waited: %v", err)
	}
	// what a killed server left does not count
	if err := os.WriteFile(filepath.Join(dir, datadir.NoteFile), []byte(`{"pid":1,"socket":"/old.sock"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, running := datadir.Holder(dir); running {
		t.Error("a note without a lock is taken for a server")
	}
	if l, err := datadir.TryLock(dir); err != nil {
		t.Errorf("beside an old note: %v", err)
	} else if err := l.Release(); err != nil {
		t.Error(err)
	}
}
