//go:build unix

package serve_test

import (
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

// changeOwner changes the owner of a file. Only root may do that.
func changeOwner(t *testing.T, path string) {
	t.Helper()
	if err := os.Chown(path, 65534, 65534); err != nil {
		t.Skip("this user cannot change owners: ", err)
	}
}

func TestAPluginsFolderOfAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plugins := filepath.Join(dir, "plugins")
	if err := os.Mkdir(plugins, 0o700); err != nil {
		t.Fatal(err)
	}
	changeOwner(t, plugins)
	flags := map[string]string{"data": dir, "listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "min-free": "1 KiB"}
	s, err := config.Load(config.Inputs{File: os.DevNull, Flags: flags, Getenv: func(name string) string { return map[string]string{"INBOX_QOREID_SECRET": secret}[name] }})
	if err != nil {
		t.Fatal(err)
	}
	err = serve.Run(t.Context(), s, serve.Options{Log: slog.New(slog.DiscardHandler)})
	if inbox.KindOf(err) != inbox.Invalid || !strings.Contains(err.Error(), "belongs to user 65534") || !strings.Contains(inbox.HintOf(err), "chown ") {
		t.Errorf("%v (%s)", err, inbox.HintOf(err))
	}
}

func TestModesInThePluginsFolderAreCorrectedAndFilesOfOtherUsersRefusedWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	dir, _, c := startWithFiles(t, map[string]string{"crm.wasm": guest(t, "ok")})
	first := isLive(t, c, "crm")
	plugins := filepath.Join(dir, "plugins")
	mode := func(path string) os.FileMode {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	if err := os.Chmod(plugins, 0o777); err != nil {
		t.Fatal(err)
	}
	inboxtest.Eventually(t, "the mode of the folder is corrected", func() bool { return mode(plugins) == 0o755 })
	manifest := filepath.Join(plugins, "crm.toml")
	install(t, dir, "crm.toml", "reuse = 2")
	if err := os.Chmod(manifest, 0o666); err != nil {
		t.Fatal(err)
	}
	inboxtest.Eventually(t, "the mode of the manifest is corrected, and it is in force", func() bool {
		return mode(manifest) == 0o644 && isLive(t, c, "crm").Live != first.Live
	})
	changeOwner(t, manifest)
	inboxtest.Eventually(t, "another user's manifest is refused", func() bool {
		d, err := c.Plugin(t.Context(), "crm", "")
		return err == nil && d.State == inbox.FileRefused && strings.Contains(d.Error, "crm.toml belongs to user 65534") && d.Runs
	})
	changeOwner(t, plugins)
	inboxtest.Eventually(t, "another user's folder is not read", func() bool {
		return strings.Contains(strings.Join(reasons(t, c), "\n"), "the plugins folder cannot be read; live plugins continue to run")
	})
}
