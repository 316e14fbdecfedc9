package store_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestAFailedBackupReturnsTheReasonAndLeavesNoFile(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	inboxtest.Fill(t, s, 10)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	for name, c := range map[string]struct {
		ctx    context.Context
		before string
		path   string
		kind   inbox.Kind
	}{
		"the file exists":             {ctx, "copy.db", "copy.db", inbox.Conflict},
		"the key exists":              {ctx, "copy.db.key", "copy.db", inbox.Conflict},
		"another backup runs":         {ctx, "copy.db.part", "copy.db", inbox.Conflict},
		"the directory is missing":    {ctx, "", "none/copy.db", inbox.Invalid},
		"the context is already done": {cancelled, "", "copy.db", inbox.Internal},
	} {
		dir := inboxtest.Dir(t)
		if c.before != "" {
			if err := os.WriteFile(filepath.Join(dir, c.before), []byte("kept"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := s.Backup(c.ctx, operator, filepath.Join(dir, c.path))
		if err == nil || c.kind != inbox.Internal && (inbox.KindOf(err) != c.kind || inbox.HintOf(err) == "") {
			t.Errorf("%s: %v", name, err)
		}
		if left := names(t, dir); len(left) > 1 || len(left) == 1 && left[0] != c.before {
			t.Errorf("%s leaves %q", name, left)
		}
		if c.before != "" {
			if b, err := os.ReadFile(filepath.Join(dir, c.before)); err != nil || string(b) != "kept" {
				t.Errorf("%s: the existing file became %q, %v", name, b, err)
			}
		}
	}
}

func TestABackupFailsWithoutFreeDiskSpace(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{MinFree: math.MaxUint64})
	if err := s.Backup(ctx, operator, filepath.Join(t.TempDir(), "copy.db")); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("answered %v", err)
	}
}

func TestABackupDuringAcceptsIsCompleteAndPrivate(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	inboxtest.Fill(t, s, 500)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := range 300 {
			inboxtest.Accept(t, s, inboxtest.Body(i, 1))
		}
	}()
	dir := inboxtest.Dir(t)
	path := filepath.Join(dir, "inbox.db")
	err := s.Backup(ctx, operator, path)
	<-ended
	if err != nil {
		t.Fatal(err)
	}
	if left := names(t, dir); len(left) != 2 {
		t.Errorf("the directory has %q", left)
	}
	for _, name := range names(t, dir) {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if err := os.Rename(path+".key", filepath.Join(dir, "store.key")); err != nil {
		t.Fatal(err)
	}
	c := inboxtest.Store(t, store.Options{Dir: dir}) // checked when the test ends
	if n := c.Head(); n < 500 {
		t.Errorf("the copy has %d events", n)
	}
	log, err := s.AuditLog(ctx, inbox.AuditFilter{Limit: 1})
	if err != nil || len(log) != 1 || log[0].Action != "backup" || log[0].Target != path {
		t.Errorf("audit %+v, %v", log, err)
	}
}
