package store_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

func TestEveryConnectionHasTheDurablePragmas(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	for pragma, want := range map[string]string{
		"synchronous": "2", "journal_mode": "wal", "busy_timeout": "5000", "trusted_schema": "0", "cell_size_check": "1", "mmap_size": "0",
		"auto_vacuum": "2", "temp_store": "2", "foreign_keys": "0", "application_id": "1768841848",
	} {
		got := store.Pragmas(t, s, pragma, 4)
		if len(got) != 5 {
			t.Fatalf("%d connections", len(got))
		}
		for i, g := range got {
			if g != want {
				t.Errorf("connection %d: %s is %s, not %s", i, pragma, g, want)
			}
		}
	}
	if got := store.Pragmas(t, s, "secure_delete", 0); got[0] != "2" { // FAST
		t.Errorf("secure_delete of the writer is %s", got[0])
	}
	if got := store.Pragmas(t, s, "query_only", 2); got[0] != "0" || got[1] != "1" || got[2] != "1" {
		t.Errorf("query_only is %v", got)
	}
}

func TestOnlyTheOwnerCanReadAStore(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no file modes")
	}
	dir := filepath.Join(t.TempDir(), "new", "deep")
	s := inboxtest.Store(t, store.Options{Dir: dir})
	inboxtest.Accept(t, s, "a") // creates the write-ahead log
	for name, want := range map[string]os.FileMode{".": 0o700, "inbox.db": 0o600, "inbox.db-wal": 0o600, "inbox.db-shm": 0o600, "store.key": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode().Perm(), err)
		}
	}
}

func TestADirectoryMayHaveAnyName(t *testing.T) {
	t.Parallel()
	names := []string{"with space", "per%cent%20", "hash#tag", "amp&=;", "üñï"}
	if runtime.GOOS != "windows" {
		names = append(names, "what?mode=memory", `quo"te'`, `back\slash`)
	}
	for _, name := range names {
		dir := filepath.Join(t.TempDir(), name)
		s, done := serve(t, store.Options{Dir: dir})
		inboxtest.Accept(t, s, name)
		done()
		if info, err := os.Stat(filepath.Join(dir, "inbox.db")); err != nil || info.Size() == 0 {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestACommandDoesNotMigrateAStoreBesideAServer(t *testing.T) {
	t.Parallel()
	dir := inboxtest.Dir(t)
	lock, err := datadir.WaitLock(ctx, dir, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	if err := lock.Announce(dir, datadir.Holding{PID: os.Getpid()}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(ctx, store.Options{Dir: dir, Create: true}); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("a command beside a server: %v", err)
	}
	if s, err := store.Open(ctx, store.Options{Dir: dir, Create: true, Server: true}); err != nil {
		t.Errorf("the server: %v", err)
	} else if err := s.Close(); err != nil {
		t.Error(err)
	}
}
