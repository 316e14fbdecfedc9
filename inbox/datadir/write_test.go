package datadir_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"inbox/inbox/datadir"
)

func TestWriteFileWritesAllDataWithTheModeAndLeavesNoOtherFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	for _, mode := range []fs.FileMode{0o600, 0o644, 0o640} {
		text := fmt.Appendf(nil, "with mode %o", mode)
		if err := datadir.WriteFile(path, text, mode); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%q, %v", got, err)
		}
		if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode() != mode {
			t.Errorf("mode %o: %v, %v", mode, info.Mode(), err)
		}
	}
	if list := names(t, dir); list != "a" {
		t.Errorf("the directory has %s", list)
	}
}

func TestAFailedWriteLeavesTheOldFileAndNoOtherFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	if err := os.MkdirAll(filepath.Join(path, "subdirectory"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := datadir.WriteFile(path, []byte("x"), 0o600); err == nil {
		t.Error("a directory was replaced")
	}
	if list := names(t, dir); list != "a" {
		t.Errorf("the directory has %s", list)
	}
	if err := datadir.WriteFile(filepath.Join(dir, "absent", "a"), []byte("x"), 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a directory that does not exist: %v", err)
	}
}

func TestConcurrentReadersSeeOnlyCompleteFiles(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows cannot replace a file that is open")
	}
	path := filepath.Join(t.TempDir(), "a")
	text := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, 50_000) }
	if err := datadir.WriteFile(path, text(0), 0o600); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			for range 5 {
				if err := datadir.WriteFile(path, text(i), 0o600); err != nil {
					t.Error(err)
				}
				b, err := os.ReadFile(path)
				if err != nil || len(b) != 50_000 || bytes.Count(b, b[:1]) != len(b) {
					t.Errorf("%d bytes, %v", len(b), err)
				}
			}
		})
	}
	writers.Wait()
}

func TestRemoveUnfinishedRemovesOnlyTheTemporaryFilesOfItsPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a", "a.new", "a.new-1", "a.new-2", "ab.new-1"} {
		write(t, filepath.Join(dir, name), "x")
	}
	if err := datadir.RemoveUnfinished(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	if list := names(t, dir); list != "a a.new ab.new-1" {
		t.Errorf("left are %s", list)
	}
}

func TestCreateFileDoesNotReplaceAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a")
	if err := datadir.CreateFile(path, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := datadir.CreateFile(path, []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the second: %v", err)
	}
	if b, err := os.ReadFile(path); string(b) != "first" {
		t.Errorf("%q, %v", b, err)
	}
}

// names returns the names in a directory, separated by spaces.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}
