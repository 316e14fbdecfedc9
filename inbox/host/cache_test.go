package host_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"inbox/inbox"
	"inbox/inbox/host"
)

// A file of the cache is native code: nobody else may write there, and a damaged file is made again instead of run.
func TestOnlyTheOwnerMayWriteTheCacheAndADamagedFileIsReplaced(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var before []byte
	for _, damage := range []func([]byte) []byte{
		nil,
		func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		func(b []byte) []byte { return b[:len(b)/2] },
		func([]byte) []byte { return nil },
		func([]byte) []byte { return []byte("WAZERO") },
	} {
		if damage != nil {
			path, b := cached(t, dir)
			if err := os.WriteFile(path, damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		h, err := host.New(context.Background(), host.Options{CacheDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		p, err := h.Compile(context.Background(), fixture(t, "says_retry"), limits())
		if err != nil {
			t.Fatal(err)
		}
		if out := p.Run(context.Background(), call()); out.Result != inbox.Retry {
			t.Errorf("%s: %s", out.Result, out.Reason)
		}
		p.Close(context.Background())
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
		_, b := cached(t, dir)
		if before == nil {
			before = append(before, b...)
		}
		if string(b) != string(before) {
			t.Error("the cache holds something else than at first")
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// cached returns the largest file in the cache, which is the module's. The others are those of the host's own functions.
func cached(t *testing.T, dir string) (path string, b []byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(p)
		if len(text) > len(b) {
			path, b = p, text
		}
		return err
	})
	if err != nil || path == "" {
		t.Fatalf("nothing is cached: %v", err)
	}
	return path, b
}
