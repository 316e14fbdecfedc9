package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// copyFile copies a file over another, which keeps its inode, as cp does.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheLogOfAnotherDatabaseIsRejected(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(t *testing.T, crashed string){
		"a backup of the same store": func(t *testing.T, crashed string) {
			backup := filepath.Join(t.TempDir(), "b.db")
			other := store.CopyClosed(t, crashed)
			s, err := store.Open(ctx, store.Options{Dir: other, MinFree: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Backup(ctx, inbox.Actor{Name: "test"}, backup); err != nil {
				t.Fatal(err)
			}
			copyFile(t, backup, filepath.Join(crashed, "inbox.db"))
		},
		"a copy of the file that was made between two starts": func(t *testing.T, crashed string) {
			// The store is used after the copy and crashes again.
			_, done := serve(t, store.Options{Dir: crashed})
			done()
			rest := filepath.Join(t.TempDir(), "rest.db")
			copyFile(t, filepath.Join(crashed, "inbox.db"), rest)
			s, done := serve(t, store.Options{Dir: crashed})
			inboxtest.Accept(t, s, strings.Repeat("later", 5000))
			left := store.CopyOpen(t, crashed)
			done()
			copyFile(t, filepath.Join(left, "inbox.db-wal"), filepath.Join(crashed, "inbox.db-wal"))
			copyFile(t, rest, filepath.Join(crashed, "inbox.db"))
		},
		"a backup, over the log of a start that wrote little": func(t *testing.T, crashed string) {
			backup := filepath.Join(t.TempDir(), "b.db")
			s, done := serve(t, store.Options{Dir: crashed})
			if err := s.Backup(ctx, operator, backup); err != nil {
				t.Fatal(err)
			}
			done()
			s, done = serve(t, store.Options{Dir: crashed})
			inboxtest.Accept(t, s, inboxtest.Body(99, 0))
			left := store.CopyOpen(t, crashed)
			done()
			copyFile(t, filepath.Join(left, "inbox.db-wal"), filepath.Join(crashed, "inbox.db-wal"))
			copyFile(t, backup, filepath.Join(crashed, "inbox.db"))
		},
		"another store": func(t *testing.T, dir string) {
			other := crashed(t, 40)
			for _, f := range []string{"inbox.db", "store.key"} {
				copyFile(t, filepath.Join(other, f), filepath.Join(dir, f))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := crashed(t, 30)
			put(t, dir)
			for _, server := range []bool{true, false} {
				s, err := store.Open(ctx, store.Options{Dir: dir, Server: server})
				if err == nil {
					s.Close()
					t.Fatal("it was opened")
				}
				if inbox.KindOf(err) != inbox.Invalid || !errors.Is(err, inbox.ErrDamaged) || !strings.Contains(err.Error(), "is of another database") ||
					!strings.Contains(inbox.HintOf(err), "inbox.db-wal") {
					t.Errorf("server %v: %v (%s)", server, err, inbox.HintOf(err))
				}
			}
			for _, f := range []string{"inbox.db-wal", "inbox.db-shm"} { // as the hint says
				if err := os.Remove(filepath.Join(dir, f)); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
			}
			_, done := serve(t, store.Options{Dir: dir})
			done()
		})
	}
}

// A store that crashes repeatedly, also while it raises its mark, never rejects its own log.
func TestACrashedStoreAcceptsItsOwnLog(t *testing.T) {
	t.Parallel()
	dir := inboxtest.Dir(t)
	for i := range 12 {
		s, done := serve(t, store.Options{Dir: dir})
		if i%3 > 0 {
			inboxtest.Accept(t, s, inboxtest.Body(i, 0))
		}
		dir = store.CopyOpen(t, dir)
		done()
	}
	for raises := range 2 { // a crash after one raise and after both, before they are moved into the file
		dir = store.RaiseInLog(t, dir, raises+1)
		_, done := serve(t, store.Options{Dir: dir})
		dir = store.CopyOpen(t, dir)
		done()
	}
	s, done := serve(t, store.Options{Dir: dir})
	defer done()
	if s.Head() != 8 {
		t.Errorf("the store has %d events, not 8", s.Head())
	}
	inboxtest.Check(t, s)
}

// A log of another database that the mark does not detect leaves values that the schema forbids.
func TestValuesThatTheSchemaForbidsAreReportedAsDamage(t *testing.T) {
	t.Parallel()
	dir := inboxtest.Dir(t)
	s, done := serve(t, store.SmallRuns(store.Options{Dir: dir}, 8))
	inboxtest.Fill(t, s, 40)
	inboxtest.Eventually(t, "digests are sealed", func() bool { _, runs := store.Digests(s); return runs > 0 })
	done()
	unopened := store.CopyClosed(t, dir)
	store.Spoil(t, unopened, "digest_filters", `UPDATE digest_filters SET bits = 'a text'`)
	if s, err := store.Open(ctx, store.Options{Dir: unopened}); err == nil {
		s.Close()
		t.Error("it was opened")
	} else if !errors.Is(err, inbox.ErrDamaged) || inbox.KindOf(err) != inbox.Invalid || !strings.Contains(inbox.HintOf(err), "restore a backup") || strings.Contains(err.Error(), "uint8") {
		t.Errorf("%v (%s)", err, inbox.HintOf(err))
	}
	store.Spoil(t, dir, "contents", `UPDATE contents SET checksum = 'a text' WHERE id = (SELECT min(id) FROM contents)`)
	s, err := store.Open(ctx, store.Options{Dir: dir, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if problems, err := s.Check(ctx, nil); err != nil || len(problems) == 0 || strings.Contains(strings.Join(problems, " "), "uint8") {
		t.Errorf("a check finds %q, %v", problems, err)
	}
}
