package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// crashed returns the directory of a store whose server was killed: its log was not moved into its file.
func crashed(t *testing.T, events int) string {
	t.Helper()
	dir := inboxtest.Dir(t)
	s, done := serve(t, store.Options{Dir: dir})
	for i := range events {
		inboxtest.Accept(t, s, inboxtest.Body(i, 0))
	}
	copied := store.CopyOpen(t, dir)
	done()
	return copied
}

func TestALostDatabaseIsNotReplacedByANewStore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		remove   []string
		truncate []string // to zero bytes
		kind     inbox.Kind
		wantErr  string
	}{
		"the database is missing":              {remove: []string{"inbox.db"}, kind: inbox.NotFound, wantErr: "inbox.db-wal is there"},
		"the database and its log are missing": {remove: []string{"inbox.db", "inbox.db-wal", "inbox.db-shm"}, kind: inbox.NotFound, wantErr: "store.key is there"},
		"the database and its key are missing": {remove: []string{"inbox.db", "store.key"}, kind: inbox.NotFound, wantErr: "inbox.db-wal is there"},
		"the database is empty":                {truncate: []string{"inbox.db"}, kind: inbox.NotFound, wantErr: "inbox.db is empty"},
		"an empty database is the only file":   {truncate: []string{"inbox.db"}, remove: []string{"inbox.db-wal", "inbox.db-shm", "store.key"}, kind: inbox.NotFound, wantErr: "inbox.db is empty"},
		"the key is missing":                   {remove: []string{"store.key"}, kind: inbox.Invalid, wantErr: "store.key is missing"},
		"the key is empty":                     {truncate: []string{"store.key"}, kind: inbox.Invalid, wantErr: "has 0 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := crashed(t, 3)
			for _, f := range c.remove {
				if err := os.Remove(filepath.Join(dir, f)); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range c.truncate {
				if err := os.Truncate(filepath.Join(dir, f), 0); err != nil {
					t.Fatal(err)
				}
			}
			before := sizes(t, dir)
			for _, server := range []bool{true, false} {
				s, err := store.Open(ctx, store.Options{Dir: dir, Create: server, Server: server})
				if err == nil {
					s.Close()
					t.Fatal("it was opened")
				}
				if inbox.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.wantErr) || !strings.Contains(inbox.HintOf(err), "restore") {
					t.Errorf("server %v: %s: %v (%s)", server, inbox.KindOf(err), err, inbox.HintOf(err))
				}
			}
			if after := sizes(t, dir); after != before {
				t.Errorf("Open changed the files from %s to %s", before, after)
			}
		})
	}
}

// sizes returns the files of a directory with their sizes, except the lock.
func sizes(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	list := ""
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if e.Name() != "inbox.lock" {
			list += fmt.Sprintf(" %s:%d", e.Name(), info.Size())
		}
	}
	return list
}

func TestAnInterruptedFirstStartIsRepeated(t *testing.T) {
	t.Parallel()
	for n := range 3 { // interrupted in the n-th migration
		dir := inboxtest.Dir(t)
		migrations := 0
		_, err := store.Open(ctx, store.Faulty(store.Options{Dir: dir, Create: true, Server: true}, func(point string) error {
			if point == "migrate" {
				migrations++
			}
			if migrations > n {
				return errors.New("interrupted by a test")
			}
			return nil
		}))
		if err == nil || migrations <= n {
			t.Fatalf("migration %d: %v", n, err)
		}
		if _, err := store.Open(ctx, store.Options{Dir: dir}); inbox.KindOf(err) != inbox.NotFound || !strings.Contains(err.Error(), "no store at") {
			t.Errorf("migration %d: a command gets %v", n, err)
		}
		checkStart(t, dir)
	}
	for name, left := range map[string]map[string]string{
		"before the key":      {"inbox.db.new": ""},
		"within the key":      {"inbox.db.new": "", "store.key.new-1": "x"},
		"after the key":       {"inbox.db.new": "", "store.key": strings.Repeat("k", 32)},
		"within the database": {"inbox.db.new": "SQLite", "inbox.db.new-wal": "y", "inbox.db.new-journal": "z", "store.key": strings.Repeat("k", 32)},
		"with only the lock":  {"inbox.lock": ""},
	} {
		dir := inboxtest.Dir(t)
		for f, text := range left {
			if err := os.WriteFile(filepath.Join(dir, f), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		t.Log(name)
		checkStart(t, dir)
	}
}

// checkStart starts a server in a directory, stores an event, and checks that no temporary files are left.
func checkStart(t *testing.T, dir string) {
	t.Helper()
	s, done := serve(t, store.Options{Dir: dir})
	inboxtest.Accept(t, s, "a")
	inboxtest.Check(t, s)
	done()
	if list := sizes(t, dir); strings.Contains(list, ".new") || strings.Contains(list, "-journal") {
		t.Errorf("it left %s", list)
	}
}
