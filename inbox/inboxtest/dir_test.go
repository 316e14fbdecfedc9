package inboxtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"inbox/inbox/store"
)

// failing is a fake test, which has failed if the field failed is set. It records its log.
type failing struct {
	testing.TB
	dir      string
	failed   bool
	logged   strings.Builder
	cleanups []func()
}

func (f *failing) TempDir() string   { return f.dir }
func (f *failing) Failed() bool      { return f.failed }
func (f *failing) Name() string      { return "TestThat/fails" }
func (f *failing) Cleanup(fn func()) { f.cleanups = append(f.cleanups, fn) }
func (f *failing) Logf(format string, args ...any) {
	fmt.Fprintf(&f.logged, format, args...)
}

// end ends the test: the newest cleanup runs first.
func (f *failing) end() {
	for i := len(f.cleanups) - 1; i >= 0; i-- {
		f.cleanups[i]()
	}
}

func TestAFailedTestKeepsACopyOfItsStore(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, failed := range []bool{true, false} {
		f := &failing{TB: t, dir: t.TempDir(), failed: failed}
		Accept(t, Store(f, store.Options{}), "a body")
		f.end()
		kept, err := filepath.Glob(filepath.Join(os.TempDir(), "inbox-failed-TestThat_fails-*"))
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case !failed && f.logged.Len() > 0:
			t.Errorf("a test that passed logged %q", f.logged.String())
		case failed && (len(kept) != 1 || !strings.Contains(f.logged.String(), kept[0])):
			t.Errorf("kept %q and logged %q", kept, f.logged.String())
		case failed:
			s, err := store.Open(t.Context(), store.Options{Dir: kept[0], MinFree: 1})
			if err != nil {
				t.Fatal(err)
			}
			if s.Head() != 1 {
				t.Errorf("the copy has %d events", s.Head())
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := os.RemoveAll(kept[0]); err != nil {
				t.Error(err)
			}
		}
	}
}
