package serve_test

import (
	"os"
	"path/filepath"
	"testing"

	"inbox/inbox/serve"
)

func TestTheHeapLimitGrowsWithEachPluginAndShrinksWhenItIsRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	limits := make(chan int64, 100)
	_, _, stop := startServer(t, serve.Options{LimitHeap: func(bytes int64) { limits <- bytes }},
		map[string]string{"data": dir}, map[string]string{"INBOX_QOREID_SECRET": secret})
	defer stop()
	without := <-limits
	install(t, dir, "one.wasm", guest(t, "session_ok"))
	withOne := <-limits
	install(t, dir, "two.wasm", guest(t, "ok"))
	withTwo := <-limits
	if without <= 0 || withOne <= without || withTwo <= withOne {
		t.Errorf("%d without plugins, %d with one, %d with two", without, withOne, withTwo)
	}
	if err := os.Remove(filepath.Join(dir, "plugins", "two.wasm")); err != nil {
		t.Fatal(err)
	}
	if again := <-limits; again != withOne {
		t.Errorf("%d after the second is removed, and %d before it was added", again, withOne)
	}
}
