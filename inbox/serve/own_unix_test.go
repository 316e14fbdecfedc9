//go:build unix

package serve_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/config"
	"inbox/inbox/inboxtest"
	"inbox/inbox/serve"
)

// startIn runs a server on a directory until it is ready, and calls then. It returns the log and the error of the server.
func startIn(t *testing.T, dir string, then func(at serve.Addresses)) (string, error) {
	t.Helper()
	flags := map[string]string{"data": dir, "listen": "127.0.0.1:0", "admin": "", "min-free": "1 KiB"}
	s, err := config.Load(config.Inputs{File: os.DevNull, Flags: flags, Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = serve.Run(ctx, s, serve.Options{
		NoSecret: true, Log: slog.New(slog.NewTextHandler(&log, nil)), Version: "v1",
		Ready: func(at serve.Addresses) {
			then(at)
			cancel()
		},
	})
	return log.String(), err
}

func doNothing(serve.Addresses) {}

func TestADirectoryThatOtherUsersCanChangeIsCorrectedOrRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		root  bool // needs root
		spoil func(t *testing.T, dir string)
		says  string // of the refusal
		logs  string
	}{
		"the data directory is open to a group": {spoil: func(t *testing.T, dir string) { chmod(t, dir, 0o770) }, logs: "this user alone"},
		"the data directory is open to all":     {spoil: func(t *testing.T, dir string) { chmod(t, dir, 0o777) }, logs: "this user alone"},
		"the data directory can be read by all": {spoil: func(t *testing.T, dir string) { chmod(t, dir, 0o755) }, logs: "this user alone"},
		"the data directory is another's":       {root: true, spoil: func(t *testing.T, dir string) { changeOwner(t, dir) }, says: "belongs to user 65534"},
		"the key is open":                       {spoil: func(t *testing.T, dir string) { chmod(t, filepath.Join(dir, "store.key"), 0o666) }, logs: "this user alone"},
		"the key is another's":                  {root: true, spoil: func(t *testing.T, dir string) { changeOwner(t, filepath.Join(dir, "store.key")) }, says: "store.key belongs to"},
		"the store is another's":                {root: true, spoil: func(t *testing.T, dir string) { changeOwner(t, filepath.Join(dir, "inbox.db")) }, says: "inbox.db belongs to"},
		"the releases are open":                 {spoil: func(t *testing.T, dir string) { chmod(t, filepath.Join(dir, "releases"), 0o777) }, logs: "this user alone"},
		"the releases are another's":            {root: true, spoil: func(t *testing.T, dir string) { changeOwner(t, filepath.Join(dir, "releases")) }, says: "releases belongs to"},
		"the cache is open":                     {spoil: func(t *testing.T, dir string) { chmod(t, filepath.Join(dir, "cache"), 0o777) }, logs: "cache of machine code was emptied"},
		"the cache is another's":                {root: true, spoil: func(t *testing.T, dir string) { changeOwner(t, filepath.Join(dir, "cache")) }, says: "cache belongs to"},
		"code in the cache is another's": {root: true, spoil: func(t *testing.T, dir string) {
			changeOwner(t, filepath.Join(dir, "cache", "planted"))
		}, logs: "cache of machine code was emptied"},
		"the cache is on another disk": {spoil: func(t *testing.T, dir string) {
			elsewhere := t.TempDir()
			chmod(t, elsewhere, 0o700)
			if err := errors.Join(os.Remove(elsewhere), os.Rename(filepath.Join(dir, "cache"), elsewhere), os.Symlink(elsewhere, filepath.Join(dir, "cache"))); err != nil {
				t.Fatal(err)
			}
		}},
		"code in the cache is a link": {spoil: func(t *testing.T, dir string) {
			if err := os.Symlink("/tmp", filepath.Join(dir, "cache", "elsewhere")); err != nil {
				t.Fatal(err)
			}
		}, logs: "cache of machine code was emptied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.root && os.Geteuid() != 0 {
				t.Skip("only root can change owners")
			}
			dir := filepath.Join(t.TempDir(), "data")
			if log, err := startIn(t, dir, doNothing); err != nil || strings.Contains(log, "this user alone") {
				t.Fatalf("%v\n%s", err, log)
			}
			for _, sub := range []string{"releases", "cache"} {
				if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, "cache", "planted"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			c.spoil(t, dir)
			log, err := startIn(t, dir, doNothing)
			if c.says != "" {
				if inbox.KindOf(err) != inbox.Forbidden || !strings.Contains(err.Error(), c.says) || !strings.Contains(inbox.HintOf(err), "chown") {
					t.Errorf("%v (%s)", err, inbox.HintOf(err))
				}
				return
			}
			if err != nil || !strings.Contains(log, c.logs) {
				t.Errorf("%v\n%s", err, log)
			}
			if _, err := os.Lstat(filepath.Join(dir, "cache", "planted")); strings.Contains(c.logs, "emptied") != os.IsNotExist(err) {
				t.Errorf("the planted file in the cache: %v", err)
			}
			checkPrivate(t, dir)
		})
	}
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// checkPrivate fails the test if other users can access a file in a directory.
func checkPrivate(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && d.Type()&fs.ModeSymlink == 0 && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// The path of a data directory may be longer than the bound of a socket's path.
func TestASocketWithALongPathIsCreatedElsewhere(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("long/", 30))
	runtime, err := os.MkdirTemp("", "r")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(runtime)
	for name, c := range map[string]struct {
		runtime, temp string
		in            string // the directory that the socket is in
		logs          string
		says          string
	}{
		"in the runtime directory":                    {runtime: runtime, in: runtime},
		"without one":                                 {in: os.TempDir()},
		"with one that is gone":                       {runtime: "/nonexistent", in: os.TempDir(), logs: "XDG_RUNTIME_DIR=/nonexistent"},
		"with one that is a file":                     {runtime: "/dev/null", in: os.TempDir(), logs: "XDG_RUNTIME_DIR=/dev/null"},
		"with one that is not absolute":               {runtime: "run", in: os.TempDir(), logs: "XDG_RUNTIME_DIR=run"},
		"with one that is too long":                   {runtime: "/" + strings.Repeat("r", 90), in: os.TempDir(), logs: "too long for a socket"},
		"with one that is gone, and no temporary one": {runtime: "/nonexistent", temp: "/gone", says: "/gone"},
		"without one, and the temporary one too long": {temp: "/" + strings.Repeat("t", 90), says: "too long for a socket"},
		"in the runtime directory, no temporary one":  {runtime: runtime, temp: "/gone", in: runtime},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("XDG_RUNTIME_DIR", c.runtime)
			if c.temp != "" {
				t.Setenv("TMPDIR", c.temp)
			}
			var at string
			log, err := startIn(t, long, func(a serve.Addresses) {
				at = a.Socket
				info, err := os.Stat(at)
				if err != nil || info.Mode() != fs.ModeSocket|0o600 {
					t.Errorf("the socket: %v, %v", info, err)
				}
				if info, err = os.Stat(filepath.Dir(at)); err != nil || info.Mode().Perm() != 0o700 {
					t.Errorf("its directory: %v, %v", info, err)
				}
			})
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(inbox.HintOf(err), "XDG_RUNTIME_DIR") {
					t.Errorf("%v (%s)", err, inbox.HintOf(err))
				}
				return
			}
			if err != nil || !strings.HasPrefix(at, c.in+"/inbox-") || !strings.Contains(log, c.logs) {
				t.Errorf("at %s: %v\n%s", at, err, log)
			}
			if _, err := os.Stat(filepath.Dir(at)); !os.IsNotExist(err) {
				t.Errorf("%s was not removed", filepath.Dir(at))
			}
		})
	}
}

// Other users cannot connect at any moment, with any umask: the socket is created in a private directory.
func TestTheSocketIsCreatedWhereOtherUsersCannotReachIt(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	_, err := startIn(t, dir, func(at serve.Addresses) {
		if at.Socket != filepath.Join(dir, "inbox.sock") {
			t.Errorf("at %s", at.Socket)
		}
		info, err := os.Stat(at.Socket)
		if err != nil || info.Mode() != fs.ModeSocket|0o600 {
			t.Errorf("the socket: %v, %v", info, err)
		}
		entries, err := os.ReadDir(dir)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "s") && e.Name() != "store.key" {
				t.Errorf("%s was not removed", e.Name())
			}
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "inbox.sock")); !os.IsNotExist(err) {
		t.Errorf("the socket was not removed: %v", err)
	}
}

// A server whose database is removed answers 503 and ends with an error. The next server continues with the saved events.
func TestAServerEndsWithoutLossWhenItsDatabaseIsRemoved(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	flags := map[string]string{"data": dir, "listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "min-free": "1 KiB"}
	s, err := config.Load(config.Inputs{File: os.DevNull, Flags: flags, Getenv: func(name string) string {
		return map[string]string{"INBOX_QOREID_SECRET": secret}[name]
	}})
	if err != nil {
		t.Fatal(err)
	}
	run := func(then func(at serve.Addresses, stop func())) error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		return serve.Run(ctx, s, serve.Options{
			Log: slog.New(slog.DiscardHandler), Version: "v1",
			Ready: func(at serve.Addresses) { go then(at, cancel) },
		})
	}
	err = run(func(at serve.Addresses, _ func()) {
		defer os.Remove(filepath.Join(dir, "inbox.db"))
		post(t, "http://"+at.Webhooks+"/webhooks/qoreid", inboxtest.Body(1, 0), secret, 200, "stored")
	})
	if err == nil || inbox.KindOf(err) != inbox.Internal || !strings.Contains(err.Error(), "inbox.db was moved or removed") || inbox.HintOf(err) == "" {
		t.Errorf("the server ended with %v (%s)", err, inbox.HintOf(err))
	}
	err = run(func(at serve.Addresses, stop func()) {
		defer stop()
		post(t, "http://"+at.Webhooks+"/webhooks/qoreid", inboxtest.Body(1, 0), secret, 200, "duplicate")
	})
	if err != nil {
		t.Error(err)
	}
}
