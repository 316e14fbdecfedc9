package inboxtest

import (
	"os"
	"strings"
	"testing"
)

// Dir returns a new directory for a store. When the test fails, a copy of the directory is kept under [os.TempDir] and its path
// is logged.
func Dir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		kept, err := os.MkdirTemp("", "inbox-failed-"+fileName(t.Name())+"-")
		if err == nil {
			err = os.CopyFS(kept, os.DirFS(dir))
		}
		if err != nil {
			t.Logf("cannot keep a copy of the store: %v", err)
			return
		}
		t.Logf("a copy of the store is kept in %s", kept)
	})
	return dir
}

// fileName returns the name of a test as a part of a file's name.
func fileName(test string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>| `, r) {
			return '_'
		}
		return r
	}, test)
}
