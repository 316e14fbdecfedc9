package config_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"inbox/inbox/config"
	"inbox/inbox/inboxtest"
)

func TestASecretWrittenInPlaceWithItsOldSizeAndTimeIsReadAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	put("whsec_old")
	s, err := config.Load(config.Inputs{File: os.DevNull, Getenv: func(name string) string {
		return map[string]string{"INBOX_QOREID_SECRET_FILE": path}[name]
	}})
	if err != nil {
		t.Fatal(err)
	}
	key := func() string { return string(s.Sources[0].Secrets.Secrets()[0].Key) }
	if got := key(); got != "whsec_old" {
		t.Fatal(got)
	}
	inboxtest.Eventually(t, "the new secret is used", func() bool {
		put("whsec_new")
		return key() == "whsec_new"
	})
}

func TestSettingsAndSecretsAreReadFromRegularFilesOnly(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/zero"); err != nil {
		t.Skip(err)
	}
	if _, err := config.Load(config.Inputs{File: "/dev/zero", Getenv: func(string) string { return "" }}); err == nil {
		t.Error("/dev/zero was read as settings")
	}
	s, err := config.Load(config.Inputs{File: os.DevNull, Getenv: func(name string) string {
		return map[string]string{"INBOX_QOREID_SECRET_FILE": "/dev/zero"}[name]
	}})
	if err != nil || len(s.Sources[0].Secrets.Secrets()) != 0 || s.Sources[0].Secrets.Places()[0].Err == nil {
		t.Errorf("/dev/zero was read as a secret: %v", err)
	}
}
