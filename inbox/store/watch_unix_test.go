//go:build unix

package store_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// displacement displaces a file of a running store. dir is the store's directory, backup a backup made before the last event.
type displacement struct {
	displace func(t *testing.T, dir, backup string)
	wantErr  string
	saved    string // pattern of the file that has all acknowledged events afterwards; empty: none has them
	restart  string // part of the error of the next start; empty: the start succeeds
	key      string // pattern of the file that has the key afterwards; empty: not checked
	later    bool   // it is detected within a second instead of before the next answer
}

func do(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func displacements() map[string]displacement {
	db := func(dir string) string { return filepath.Join(dir, "inbox.db") }
	return map[string]displacement{
		"the database is moved": {displace: func(t *testing.T, dir, _ string) {
			do(t, os.Rename(db(dir), filepath.Join(dir, "old.db")))
		}, wantErr: "inbox.db was moved or removed", saved: "inbox.db"},
		"the database is removed": {displace: func(t *testing.T, dir, _ string) {
			do(t, os.Remove(db(dir)))
		}, wantErr: "inbox.db was moved or removed", saved: "inbox.db"},
		"all of the database is removed": {displace: func(t *testing.T, dir, _ string) {
			do(t, os.Remove(db(dir)), os.Remove(db(dir)+"-wal"), os.Remove(db(dir)+"-shm"))
		}, wantErr: "inbox.db was moved or removed", saved: "inbox.db"},
		"a backup is renamed over the database": {displace: func(t *testing.T, dir, backup string) {
			copyFile(t, backup, filepath.Join(dir, "t"))
			do(t, os.Rename(filepath.Join(dir, "t"), db(dir)))
		}, wantErr: "inbox.db was replaced", saved: "inbox.db.replaced-*"},
		"the database is moved and a backup put in its place": {displace: func(t *testing.T, dir, backup string) {
			do(t, os.Rename(db(dir), filepath.Join(dir, "old.db")))
			copyFile(t, backup, db(dir))
		}, wantErr: "inbox.db was replaced", saved: "old.db"},
		"a backup is written over the database": {displace: func(t *testing.T, dir, backup string) {
			copyFile(t, backup, db(dir))
		}, wantErr: "inbox.db was overwritten"},
		"the database is emptied": {displace: func(t *testing.T, dir, _ string) {
			do(t, os.Truncate(db(dir), 0))
		}, wantErr: "inbox.db was overwritten", restart: "inbox.db is empty"},
		"the database is cut in half": {displace: func(t *testing.T, dir, _ string) {
			info, err := os.Stat(db(dir))
			do(t, err, os.Truncate(db(dir), info.Size()/2))
		}, wantErr: "inbox.db was cut", restart: "it is damaged"},
		"the database is replaced by a link to itself": {displace: func(t *testing.T, dir, _ string) {
			do(t, os.Rename(db(dir), filepath.Join(dir, "real.db")), os.Symlink("real.db", db(dir)))
		}, wantErr: "inbox.db was replaced", saved: "real.db", restart: "inbox.db is a link"},
		"the database is removed and a link to nothing is in its place": {displace: func(t *testing.T, dir, _ string) {
			do(t, os.Remove(db(dir)), os.Symlink("nothing", db(dir)))
		}, wantErr: "inbox.db was replaced", saved: "inbox.db.replaced-*", restart: "inbox.db is a link"},
		"the database is moved and a directory is in its place": {displace: func(t *testing.T, dir, _ string) {
			do(t, os.Rename(db(dir), filepath.Join(dir, "old.db")), os.Mkdir(db(dir), 0o700))
		}, wantErr: "inbox.db was replaced", saved: "old.db", restart: "inbox.db is not a file"},
		"the database and its key are removed": {displace: func(t *testing.T, dir, _ string) {
			do(t, os.Remove(db(dir)), os.Remove(filepath.Join(dir, "store.key")))
		}, wantErr: "inbox.db was moved or removed", saved: "inbox.db", key: "store.key"},
		"the directory is renamed": {displace: func(t *testing.T, dir, _ string) {
			do(t, os.Rename(dir, dir+"-elsewhere"))
		}, wantErr: "inbox.db was moved or removed", saved: "../data-elsewhere/inbox.db"},
		"the directory is replaced": {displace: func(t *testing.T, dir, backup string) {
			do(t, os.Rename(dir, dir+"-elsewhere"), os.Mkdir(dir, 0o700))
			copyFile(t, backup, db(dir))
			copyFile(t, backup+".key", filepath.Join(dir, "store.key"))
		}, wantErr: "inbox.db was replaced", saved: "../data-elsewhere/inbox.db"},
		"the log is removed": {displace: func(t *testing.T, dir, _ string) {
			do(t, os.Remove(db(dir)+"-wal"))
		}, wantErr: "inbox.db-wal was moved or removed", saved: "inbox.db"},
		"the log is replaced": {displace: func(t *testing.T, dir, _ string) {
			do(t, os.Remove(db(dir)+"-wal"), os.WriteFile(db(dir)+"-wal", nil, 0o600))
		}, wantErr: "inbox.db-wal was replaced", saved: "inbox.db"},
		"the log is emptied": {displace: func(t *testing.T, dir, _ string) {
			do(t, os.Truncate(db(dir)+"-wal", 0))
		}, wantErr: "inbox.db-wal was cut"},
		"the log is cut": {displace: func(t *testing.T, dir, _ string) {
			do(t, os.Truncate(db(dir)+"-wal", 6000))
		}, wantErr: "inbox.db-wal was cut"},
		"the lock is removed": {displace: func(t *testing.T, dir, _ string) {
			do(t, os.Remove(filepath.Join(dir, "inbox.lock")))
		}, wantErr: "inbox.lock was moved or removed", saved: "inbox.db", later: true},
		"the key is replaced": {displace: func(t *testing.T, dir, _ string) {
			do(t, os.WriteFile(filepath.Join(dir, "t"), bytes.Repeat([]byte{7}, 32), 0o600), os.Rename(filepath.Join(dir, "t"), filepath.Join(dir, "store.key")))
		}, wantErr: "store.key was replaced by another key", restart: "not the key", saved: "inbox.db", key: "store.key.replaced-*", later: true},
	}
}

func TestNoEventIsAcknowledgedAfterAFileWasDisplaced(t *testing.T) {
	t.Parallel()
	for name, c := range displacements() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(inboxtest.Dir(t), "data")
			do(t, os.Mkdir(dir, 0o700))
			lock, err := datadir.TryLock(dir)
			do(t, err)
			defer lock.Release()
			s, err := store.Open(ctx, store.Options{Dir: dir, Create: true, Server: true, MinFree: 1})
			do(t, err)
			ended := make(chan error, 1)
			go func() { ended <- s.Run(context.Background()) }()
			acked := map[string]inbox.Receipt{}
			for i := range 20 {
				acked[inboxtest.Body(i, 0)] = inboxtest.Accept(t, s, inboxtest.Body(i, 0))
			}
			backup := filepath.Join(t.TempDir(), "backup.db")
			do(t, s.Backup(ctx, operator, backup))
			acked["last"] = inboxtest.Accept(t, s, "last")

			c.displace(t, dir, backup)
			if !c.later {
				if r, err := s.Accept(ctx, inboxtest.Arrival("after")); inbox.KindOf(err) != inbox.Unavailable {
					t.Errorf("acknowledged: %+v, %v", r, err)
				}
				if r, err := s.Accept(ctx, inboxtest.Arrival("last")); err == nil {
					t.Errorf("a duplicate is acknowledged: %+v", r)
				}
			}
			if err := <-ended; err == nil || !strings.Contains(err.Error(), c.wantErr) || inbox.KindOf(err) != inbox.Internal || inbox.HintOf(err) == "" {
				t.Errorf("Run ended with %v (%s)", err, inbox.HintOf(err))
			}
			if s.Ready(ctx) == nil {
				t.Error("Ready returns no error")
			}
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			verifyRestart(t, dir, c)
			key := backup + ".key"
			if c.key != "" {
				found, err := filepath.Glob(filepath.Join(dir, c.key))
				if err != nil || len(found) != 1 {
					t.Fatalf("the key is in %q, %v", found, err)
				}
				key = found[0]
			}
			if c.saved != "" {
				verifySaved(t, dir, c.saved, key, acked)
			}
		})
	}
}

// verifyRestart checks the next start.
func verifyRestart(t *testing.T, dir string, c displacement) {
	t.Helper()
	if strings.Contains(c.saved, "elsewhere") {
		return
	}
	// The start uses a copy, because a store with an overwritten file keeps it open until its process ends.
	s, err := store.Open(ctx, store.Options{Dir: store.CopyClosed(t, dir), MinFree: 1})
	if err == nil {
		defer s.Close()
		inboxtest.Check(t, s)
		if strings.Contains(c.wantErr, "overwritten") && s.Head() != 20 {
			t.Errorf("the start has %d events, not the 20 of the backup", s.Head())
		}
	}
	if (err == nil) != (c.restart == "") || err != nil && !strings.Contains(err.Error(), c.restart) {
		t.Errorf("the start returns %v", err)
	}
}

// verifySaved checks that the saved file has all acknowledged events.
func verifySaved(t *testing.T, dir, pattern, key string, acked map[string]inbox.Receipt) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("saved in %q, %v", found, err)
	}
	at := t.TempDir()
	copyFile(t, found[0], filepath.Join(at, "inbox.db"))
	if log := found[0] + "-wal"; strings.Contains(pattern, "elsewhere") && store.Exists(log) {
		copyFile(t, log, filepath.Join(at, "inbox.db-wal"))
	}
	copyFile(t, key, filepath.Join(at, "store.key"))
	s, err := store.Open(ctx, store.Options{Dir: at, MinFree: 1})
	if err != nil {
		t.Fatalf("%s: %v", found[0], err)
	}
	defer s.Close()
	inboxtest.Check(t, s)
	inboxtest.CheckAcked(t, s, acked)
}

func TestAKeyThatIsRemovedWhileAServerRunsIsWrittenAgain(t *testing.T) {
	t.Parallel()
	dir := inboxtest.Dir(t)
	s, done := serve(t, store.Options{Dir: dir})
	path := filepath.Join(dir, "store.key")
	want, err := os.ReadFile(path)
	do(t, err, os.Remove(path))
	inboxtest.Eventually(t, "the key is written again", func() bool {
		got, err := os.ReadFile(path)
		return err == nil && bytes.Equal(got, want)
	})
	inboxtest.Accept(t, s, "a")
	do(t, os.WriteFile(path+".copy", want, 0o600), os.Rename(path+".copy", path)) // another file with the same key is accepted
	done()
	again, done := serve(t, store.Options{Dir: dir})
	defer done()
	if r := inboxtest.Accept(t, again, "a"); r.Status != inbox.Duplicate {
		t.Errorf("%+v", r)
	}
}

func TestACheckpointByAnotherProgramIsNotTakenForDamage(t *testing.T) {
	t.Parallel()
	dir := inboxtest.Dir(t)
	s, done := serve(t, store.Options{Dir: dir})
	defer done()
	for i := range 30 {
		inboxtest.Accept(t, s, inboxtest.Body(i, 0))
		if i%10 == 9 {
			store.Exec(t, dir, "PRAGMA wal_checkpoint(TRUNCATE)") // as Litestream does
		}
	}
}
