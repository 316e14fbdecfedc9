//go:build unix

package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"inbox/inbox"
	"inbox/inbox/store"
)

func TestAKeyThatIsNotARegularFileIsRejectedWithoutBlocking(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(path string) error{
		"a pipe":          func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"an endless file": func(path string) error { return os.Symlink("/dev/zero", path) },
		"a directory":     func(path string) error { return os.Mkdir(path, 0o700) },
		"too many bytes":  func(path string) error { return os.WriteFile(path, make([]byte, 1<<20), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, done := serve(t, store.Options{Dir: dir})
			done()
			key := filepath.Join(dir, "store.key")
			do(t, os.Remove(key), put(key))
			s, err := store.Open(ctx, store.Options{Dir: dir, Server: true, MinFree: 1})
			if err == nil {
				defer s.Close()
			}
			if inbox.KindOf(err) != inbox.Invalid || !strings.Contains(err.Error(), "store.key") || inbox.HintOf(err) == "" {
				t.Errorf("%v (%s)", err, inbox.HintOf(err))
			}
		})
	}
}
