package serve_test

import (
	"os"
	"path/filepath"
	"testing"

	"inbox/inbox/serve"
)

func TestTheHeapIsGivenMoreForEachPluginAndLessWhenItIsGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	told := make(chan int64, 100)
	_, _, stop := operate(t, serve.Options{LimitHeap: func(bytes int64) { told <- bytes }},
		map[string]string{"data": dir}, map[string]string{"INBOX_QOREID_SECRET": secret})
	defer stop()
	without := <-told
	drop(t, dir, "one.wasm", guest(t, "session_ok"))
	one := <-told
	drop(t, dir, "two.wasm", guest(t, "ok"))
	two := <-told
	if without <= 0 || one <= without || two <= one {
		t.Errorf("%d without plugins, %d with one, %d with two", without, one, two)
	}
	if err := os.Remove(filepath.Join(dir, "plugins", "two.wasm")); err != nil {
		t.Fatal(err)
	}
	if again := <-told; again != one {
		t.Errorf("%d when the second is gone, and %d before it came", again, one)
	}
}
