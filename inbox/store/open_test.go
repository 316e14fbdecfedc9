package store_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

func TestAnOpenErrorHasTheReasonAndAHint(t *testing.T) {
	t.Parallel()
	make := func(t *testing.T) string {
		dir := inboxtest.Dir(t)
		s, err := store.Open(ctx, store.Options{Dir: dir, Create: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for name, c := range map[string]struct {
		spoil   func(t *testing.T, dir string)
		kind    inbox.Kind
		wantErr string
	}{
		"no store": {func(t *testing.T, dir string) { os.RemoveAll(dir) }, inbox.NotFound, "no store at"},
		"an empty file": {func(t *testing.T, dir string) {
			store.Exec(t, dir, "PRAGMA wal_checkpoint(TRUNCATE)")
			os.WriteFile(filepath.Join(dir, "inbox.db"), nil, 0o600)
		}, inbox.NotFound, "is empty"},
		"no key": {func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "store.key")) }, inbox.Invalid, "key"},
		"another key": {func(t *testing.T, dir string) {
			os.WriteFile(filepath.Join(dir, "store.key"), bytes.Repeat([]byte{1}, 32), 0o600)
		}, inbox.Invalid, "not the key"},
		"a short key":    {func(t *testing.T, dir string) { os.WriteFile(filepath.Join(dir, "store.key"), []byte("x"), 0o600) }, inbox.Invalid, "1 bytes"},
		"a newer file":   {func(t *testing.T, dir string) { store.Exec(t, dir, "PRAGMA user_version = 99") }, inbox.Invalid, "needs inbox 0.1.0 or later"},
		"another's file": {func(t *testing.T, dir string) { store.Exec(t, dir, "PRAGMA application_id = 7") }, inbox.Invalid, "not an inbox store"},
		"not a database": {func(t *testing.T, dir string) {
			os.WriteFile(filepath.Join(dir, "inbox.db"), bytes.Repeat([]byte("garbage "), 1000), 0o600)
		}, inbox.Invalid, "inbox.db"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := make(t)
			c.spoil(t, dir)
			s, err := store.Open(ctx, store.Options{Dir: dir})
			if err == nil {
				s.Close()
				t.Fatal("it was opened")
			}
			if inbox.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.wantErr) || inbox.HintOf(err) == "" {
				t.Errorf("%s: %v (%s)", inbox.KindOf(err), err, inbox.HintOf(err))
			}
		})
	}
}
