package datadir_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"inbox/inbox/datadir"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFileLargerThanTheLimitIsNotRead(t *testing.T) {
	t.Parallel()
	path := write(t, filepath.Join(t.TempDir(), "a"), "12345")
	if b, err := datadir.Read(path, 5); err != nil || string(b) != "12345" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := datadir.Read(path, 4); !errors.Is(err, datadir.ErrTooLarge) || !strings.Contains(err.Error(), "a has 5 bytes, more than 4") {
		t.Error(err)
	}
	if _, err := datadir.Read(path+"x", 4); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestTheStampChangesWhenAFileIsRewrittenWithTheSameSizeAndTime(t *testing.T) {
	t.Parallel()
	path := write(t, filepath.Join(t.TempDir(), "a"), "12345")
	then := time.Unix(1, 0)
	stamp := func(text string) string {
		write(t, path, text)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
		return datadir.Stamp(path)
	}
	first := stamp("12345")
	if again := datadir.Stamp(path); again != first {
		t.Errorf("%s and %s of one file", first, again)
	}
	// The clock of the file system has a coarse resolution. The loop waits for its next step.
	for deadline := time.Now().Add(30 * time.Second); stamp("abcde") == first; {
		if time.Now().After(deadline) {
			t.Fatal("the stamp stays " + first)
		}
	}
	if got := datadir.Stamp(path + "x"); got != "-" {
		t.Errorf("of no file: %s", got)
	}
}
