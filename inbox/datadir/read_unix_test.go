//go:build unix

package datadir_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"inbox/inbox/datadir"
)

// A read of these files would fill the memory or block for ever.
func TestAFileThatIsNotRegularIsNotReadAndTheErrorNamesItsKind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := func(to string) string {
		path := filepath.Join(dir, "link-"+filepath.Base(to))
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, wantErr := range map[string]string{
		"/dev/zero": "zero is not a file but a device", link("/dev/zero"): "but a device", pipe: "pipe is not a file but a pipe", link(pipe): "but a pipe",
		dir: "a directory", link(filepath.Join(dir, "nothing")): "but a link to a file that does not exist",
	} {
		if _, err := datadir.Read(path, 10); !errors.Is(err, datadir.ErrNotRegular) || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if got := datadir.Stamp(link(filepath.Join(dir, "gone"))); !strings.HasPrefix(got, "!") {
		t.Errorf("a dangling link has the stamp of a missing file: %s", got)
	}
	if b, err := datadir.Read(link(write(t, filepath.Join(dir, "a"), "x")), 1); err != nil || string(b) != "x" {
		t.Errorf("a link to a file: %q, %v", b, err)
	}
}

func TestAFileThatOthersCanWriteIsUnsafeAndProtectCorrectsItsMode(t *testing.T) {
	t.Parallel()
	path := write(t, filepath.Join(t.TempDir(), "a"), "x")
	if why, ours, err := datadir.Unsafe(path, -1); why != "" || !ours || err != nil {
		t.Error(why, ours, err)
	}
	for _, mode := range []fs.FileMode{0o620, 0o602, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if why, ours, err := datadir.Unsafe(path, -1); !strings.Contains(why, "can be written by others") || !ours || err != nil {
			t.Error(mode, why, ours, err)
		}
		if err := datadir.Protect(path); err != nil {
			t.Fatal(err)
		}
		if why, _, err := datadir.Unsafe(path, -1); why != "" || err != nil {
			t.Error(mode, why, err)
		}
	}
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chown(path, 65534, 65534); err != nil {
		t.Skip(err)
	}
	if why, ours, err := datadir.Unsafe(path, -1); why != "belongs to user 65534" || ours || err != nil {
		t.Error(why, ours, err)
	}
	if why, _, err := datadir.Unsafe(path, datadir.Owner(path)); why != "" || err != nil {
		t.Error(why, err)
	}
}

// The kernel's log has the mode of a regular file, but a read of it waits for the next message.
func TestAFileWhoseReadBlocksIsRejected(t *testing.T) {
	t.Parallel()
	if f, err := os.Open("/proc/kmsg"); err != nil {
		t.Skip(err)
	} else if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := datadir.Read("/proc/kmsg", 1<<20); !errors.Is(err, datadir.ErrNotRegular) && !errors.Is(err, datadir.ErrTooLarge) && !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}
