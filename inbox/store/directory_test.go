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

// crashed makes a store whose server ended without closing it, as after a kill: its log is not in its file.
func crashed(t *testing.T, events int) string {
	t.Helper()
	dir := inboxtest.Dir(t)
	s, done := serve(t, store.Options{Dir: dir})
	for i := range events {
		inboxtest.Accept(t, s, inboxtest.Body(i, 0))
	}
	left := store.CopyOpen(t, dir)
	done()
	return left
}

func TestALostDatabaseIsNotReplacedByANewStore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lose []string // these files are removed
		cut  []string // these are emptied
		kind inbox.Kind
		says string
	}{
		"the database, a key and a log are there":   {lose: []string{"inbox.db"}, kind: inbox.NotFound, says: "inbox.db-wal is there"},
		"the database and its log":                  {lose: []string{"inbox.db", "inbox.db-wal", "inbox.db-shm"}, kind: inbox.NotFound, says: "store.key is there"},
		"the database and its key, a log is there":  {lose: []string{"inbox.db", "store.key"}, kind: inbox.NotFound, says: "inbox.db-wal is there"},
		"what is in the database":                   {cut: []string{"inbox.db"}, kind: inbox.NotFound, says: "inbox.db is empty"},
		"what is in the database, and all the rest": {cut: []string{"inbox.db"}, lose: []string{"inbox.db-wal", "inbox.db-shm", "store.key"}, kind: inbox.NotFound, says: "inbox.db is empty"},
		"the key":            {lose: []string{"store.key"}, kind: inbox.Invalid, says: "store.key is missing"},
		"what is in the key": {cut: []string{"store.key"}, kind: inbox.Invalid, says: "has 0 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := crashed(t, 3)
			for _, f := range c.lose {
				if err := os.Remove(filepath.Join(dir, f)); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range c.cut {
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
				if inbox.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) || !strings.Contains(inbox.HintOf(err), "restore") {
					t.Errorf("server %v: %s: %v (%s)", server, inbox.KindOf(err), err, inbox.HintOf(err))
				}
			}
			if after := sizes(t, dir); after != before {
				t.Errorf("it changed %s to %s", before, after)
			}
		})
	}
}

// sizes lists the files of a directory with their sizes.
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
	for n := range 3 { // in each migration
		dir := inboxtest.Dir(t)
		met := 0
		_, err := store.Open(ctx, store.Faulty(store.Options{Dir: dir, Create: true, Server: true}, func(point string) error {
			if point == "migrate" {
				met++
			}
			if met > n {
				return errors.New("cut off by a test")
			}
			return nil
		}))
		if err == nil || met <= n {
			t.Fatalf("cut %d: %v", n, err)
		}
		if _, err := store.Open(ctx, store.Options{Dir: dir}); inbox.KindOf(err) != inbox.NotFound || !strings.Contains(err.Error(), "no store at") {
			t.Errorf("cut %d: a command finds %v", n, err)
		}
		whole(t, dir)
	}
	for name, left := range map[string]map[string]string{
		"before the key":        {"inbox.db.new": ""},
		"within the key":        {"inbox.db.new": "", "store.key.new-1": "x"},
		"after the key":         {"inbox.db.new": "", "store.key": strings.Repeat("k", 32)},
		"within the database":   {"inbox.db.new": "SQLite", "inbox.db.new-wal": "y", "inbox.db.new-journal": "z", "store.key": strings.Repeat("k", 32)},
		"nothing but its locks": {"inbox.lock": ""},
	} {
		dir := inboxtest.Dir(t)
		for f, text := range left {
			if err := os.WriteFile(filepath.Join(dir, f), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		t.Log(name)
		whole(t, dir)
	}
}

// whole makes a store in a directory, uses it, and looks for leavings.
func whole(t *testing.T, dir string) {
	t.Helper()
	s, done := serve(t, store.Options{Dir: dir})
	inboxtest.Accept(t, s, "a")
	inboxtest.Check(t, s)
	done()
	if list := sizes(t, dir); strings.Contains(list, ".new") || strings.Contains(list, "-journal") {
		t.Errorf("it left %s", list)
	}
}
