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

func TestADamagedPayloadIsDetected(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(ctx, store.Options{Dir: dir, Create: true, Server: true, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	stop := inboxtest.Run(t, s)
	body := "here-is-the-payload-that-will-be-damaged"
	r := inboxtest.Accept(t, s, body)
	stop()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "inbox.db")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(raw, []byte(body))
	if at < 0 {
		t.Fatal("the payload is not in the file")
	}
	raw[at] ^= 1
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = store.Open(ctx, store.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Payload(ctx, r.Seq); inbox.KindOf(err) != inbox.Internal || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("reading it: %v", err)
	}
	problems, err := s.Check(ctx, nil)
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0], "damaged") {
		t.Errorf("the check finds %q, %v", problems, err)
	}
}

func TestABackupIsACompleteStore(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	for i := range 20 {
		inboxtest.Accept(t, s, inboxtest.Body(i, 0))
	}
	dir := t.TempDir()
	copyPath := filepath.Join(dir, "inbox.db")
	if err := s.Backup(ctx, inbox.Actor{Name: "test"}, copyPath); err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(ctx, inbox.Actor{Name: "test"}, copyPath); inbox.KindOf(err) != inbox.Conflict {
		t.Errorf("over a file that exists: %v", err)
	}
	if err := os.Rename(copyPath+".key", filepath.Join(dir, "store.key")); err != nil {
		t.Fatal(err)
	}
	c := inboxtest.Store(t, store.Options{Dir: dir})
	if r := inboxtest.Accept(t, c, inboxtest.Body(7, 0)); r.Status != inbox.Duplicate || r.Seq != 8 {
		t.Errorf("the copy does not detect a duplicate: %+v", r)
	}
}
