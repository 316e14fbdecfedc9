package serve_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"inbox/inbox/datadir"
	"inbox/inbox/inboxtest"
	"inbox/inbox/serve"
)

// TestTheFilesOfTheDataDirectoryAreDocumentedAndPrivate compares the directory of a server with a plugin with the table in
// docs/OPERATIONS.md, in both directions, and checks all modes.
func TestTheFilesOfTheDataDirectoryAreDocumentedAndPrivate(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(manual), "| in the data directory | what |")
	table, _, _ = strings.Cut(table, "\n\n")
	documented := map[string]bool{}
	for line := range strings.Lines(table) {
		first, _, _ := strings.Cut(strings.TrimPrefix(line, "|"), "|")
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(first, -1) {
			name := strings.TrimSuffix(m[1], "/")
			if strings.HasPrefix(name, "-") {
				name = "inbox.db" + name
			}
			documented[name] = true
		}
	}
	dir := filepath.Join(t.TempDir(), "made", "new")
	at, c, stop := startServer(t, serve.Options{Hooks: serve.Hooks{Cache: filepath.Join(dir, datadir.Cache)}}, map[string]string{"data": dir}, map[string]string{"INBOX_QOREID_SECRET": secret})
	defer stop()
	install(t, dir, "sink.wasm", guest(t, "ok"))
	post(t, "http://"+at.Webhooks+"/webhooks/qoreid", slowBody, secret, 200, "stored")
	inboxtest.Eventually(t, "the plugin is live", func() bool {
		all, err := c.Plugins(t.Context())
		return err == nil && len(all) == 1 && all[0].State == "live"
	})
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !documented[f.Name()] {
			t.Errorf("the manual does not explain %s", f.Name())
		}
		delete(documented, f.Name())
	}
	for name := range documented {
		t.Errorf("the manual explains %s, which does not exist", name)
	}
	if runtime.GOOS == "windows" {
		return // Windows has no modes
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %o: other users can read it", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
