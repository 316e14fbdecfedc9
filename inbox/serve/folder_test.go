package serve_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/inboxtest"
	"inbox/inbox/serve"
)

// startWithFiles runs a server on a data directory with files in its plugins folder, and returns a client of it.
func startWithFiles(t *testing.T, files map[string]string) (dir string, at serve.Addresses, c *api.Client) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "plugins"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		install(t, dir, name, text)
	}
	at, c, stop := startServer(t, serve.Options{}, map[string]string{"data": dir}, map[string]string{"INBOX_QOREID_SECRET": secret})
	t.Cleanup(stop)
	return dir, at, c
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp.Status, err)
	}
	return string(text)
}

func isLive(t *testing.T, c *api.Client, name string) (d api.PluginDetail) {
	t.Helper()
	inboxtest.Eventually(t, name+" is live", func() bool {
		var err error
		d, err = c.Plugin(t.Context(), name, "")
		return err == nil && d.State == inbox.FileLive
	})
	return d
}

// Webhooks are received before the plugin is compiled. Their events wait for the plugin.
func TestAPluginInTheFolderAtTheFirstStartGetsEveryAnsweredEvent(t *testing.T) {
	t.Parallel()
	_, at, c := startWithFiles(t, map[string]string{"crm.wasm": guest(t, "ok")})
	for n := range 20 {
		post(t, "http://"+at.Webhooks+"/webhooks/qoreid", inboxtest.Body(n, n), secret, 200, "stored")
	}
	inboxtest.Eventually(t, "all are settled", func() bool {
		d, err := c.Plugin(t.Context(), "crm", "")
		return err == nil && d.Cursor == 20
	})
	seen := 0
	err := c.Events(t.Context(), inbox.Filter{}, nil, func(e api.Event) error {
		d, err := c.Event(t.Context(), e.ID, api.Reveal{})
		if seen++; err != nil || len(d.Deliveries) != 1 || d.Deliveries[0].State != inbox.StateSettled || len(d.Deliveries[0].Attempts) != 1 {
			t.Errorf("event %d: %+v, %v", e.Seq, d.Deliveries, err)
		}
		return nil
	})
	if err != nil || seen != 20 {
		t.Errorf("%d events, %v", seen, err)
	}
}

func TestInspectShowsTheReleaseInForceAndPermissionsOfAFileThatDiffers(t *testing.T) {
	t.Parallel()
	dir, _, c := startWithFiles(t, map[string]string{"crm.toml": "[data]\nfields = ['/data']\n", "crm.wasm": guest(t, "ok")})
	first := isLive(t, c, "crm")
	grants := func(list []inbox.Permission, key string) string {
		i := slices.IndexFunc(list, func(t inbox.Permission) bool { return t.Key == key })
		if i < 0 {
			return ""
		}
		return list[i].Grants
	}
	if grants(first.Permissions, "data.fields") != "['/data']" || first.FilePermissions != nil {
		t.Errorf("%+v", first)
	}
	install(t, dir, "crm.toml", "[data]\nfields = ['/data/id']\nevnts = []\n") // a narrower grant in an invalid manifest
	inboxtest.Eventually(t, "the manifest is refused", func() bool {
		d, err := c.Plugin(t.Context(), "crm", "")
		return err == nil && d.State == inbox.FileRefused && grants(d.Permissions, "data.fields") == "['/data']" && d.Manifest == first.Manifest && d.Runs
	})
	install(t, dir, "crm.toml", "[data]\nfields = ['/data/id']\n[limits]\ntime = '1s'\n")
	inboxtest.Eventually(t, "the file is in force", func() bool {
		d, err := c.Plugin(t.Context(), "crm", "")
		return err == nil && d.State == inbox.FileLive && grants(d.Permissions, "data.fields") == "['/data/id']" && d.FilePermissions == nil
	})
	if _, err := c.Rollback(t.Context(), "crm", api.Rollback{}); err != nil {
		t.Fatal(err)
	}
	inboxtest.Eventually(t, "after a rollback both permissions are shown", func() bool {
		d, err := c.Plugin(t.Context(), "crm", "")
		return err == nil && d.State == inbox.FilePinned && grants(d.Permissions, "data.fields") == "['/data']" && grants(d.FilePermissions, "data.fields") == "['/data/id']"
	})
	// A release is shown although its kept module is gone: it is not compiled for that.
	if err := os.Remove(filepath.Join(dir, "releases", first.Live+".wasm")); err != nil {
		t.Fatal(err)
	}
	if d, err := c.Plugin(t.Context(), "crm", first.Live); err != nil || d.Module == nil || d.Module.Kind != "command" || grants(d.Permissions, "data.fields") != "['/data']" {
		t.Errorf("%+v, %v", d.Module, err)
	}
}

func TestRefusedFilesAreNotLabelsOfMetricsAndStrayFilesAreReported(t *testing.T) {
	t.Parallel()
	_, at, c := startWithFiles(t, map[string]string{
		"crm.wasm": guest(t, "ok"), "payroll.toml": "", "Bad\x1bName.wasm": "x", "broken.wasm": "x",
	})
	isLive(t, c, "crm")
	inboxtest.Eventually(t, "the other files are refused", func() bool {
		all, err := c.Plugins(t.Context())
		return err == nil && len(all) == 4 && !slices.ContainsFunc(all, func(p api.Plugin) bool { return p.State == inbox.FileCompiling })
	})
	text := fetch(t, "http://"+at.Admin+"/metrics")
	for _, name := range []string{"payroll", "Bad", "broken"} {
		if strings.Contains(text, name) {
			t.Errorf("%s is a label", name)
		}
	}
	for _, want := range []string{"inbox_refused_files 2\n", "inbox_stray_files 1\n", `inbox_file_refused{plugin="crm"} 0`} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	got := fmt.Sprint(reasons(t, c))
	for _, want := range []string{`"payroll.toml" is a manifest without a module`, "plugin broken: its file was refused", `"Bad Name" is not a name`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not among %s", want, got)
		}
	}
}

func TestAPluginCanBeRemovedOnceItsFileIsDeleted(t *testing.T) {
	t.Parallel()
	dir, at, c := startWithFiles(t, map[string]string{"crm.wasm": guest(t, "exit_65"), "other.wasm": guest(t, "ok")})
	isLive(t, c, "other")
	first := isLive(t, c, "crm")
	url := "http://" + at.Webhooks + "/webhooks/qoreid"
	post(t, url, inboxtest.Body(1, 1), secret, 200, "stored")
	inboxtest.Eventually(t, "the delivery is dead", func() bool {
		d, err := c.Plugin(t.Context(), "crm", "")
		return err == nil && d.Dead == 1
	})
	if _, err := c.Remove(t.Context(), "crm", api.ActionRequest{}); inbox.KindOf(err) != inbox.Conflict || !strings.Contains(inbox.HintOf(err), "crm.wasm") {
		t.Errorf("with its file: %v (%s)", err, inbox.HintOf(err))
	}
	if err := os.Remove(filepath.Join(dir, "plugins", "crm.wasm")); err != nil {
		t.Fatal(err)
	}
	inboxtest.Eventually(t, "the status reports the absent plugin before any event waits for it", func() bool {
		return slices.Contains(reasons(t, c), "plugin crm: it was live and its file is absent")
	})
	post(t, url, inboxtest.Body(2, 2), secret, 200, "stored")
	inboxtest.Eventually(t, "its attempts have ended", func() bool {
		_, err := c.Remove(t.Context(), "crm", api.ActionRequest{Reason: "sold"})
		return err == nil
	})
	if all, err := c.Plugins(t.Context()); err != nil || len(all) != 1 || all[0].Name != "other" {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := c.Remove(t.Context(), "crm", api.ActionRequest{}); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("removed twice: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "releases", first.Live+".wasm")); !os.IsNotExist(err) {
		t.Errorf("its module is kept: %v", err)
	}
	if list, err := c.Audit(t.Context(), inbox.AuditFilter{Action: "remove"}); err != nil || len(list) != 1 || list[0].Target != "crm" || list[0].Reason != "sold" {
		t.Errorf("%+v, %v", list, err)
	}
	// A new file with that name is a new plugin. It starts with new events and has no lanes of the removed plugin.
	install(t, dir, "crm.wasm", guest(t, "ok"))
	if d := isLive(t, c, "crm"); d.Cursor != 2 || d.Dead != 0 || d.Parked != 0 || len(d.Releases) != 1 {
		t.Errorf("the new plugin is %+v", d.Plugin)
	}
	post(t, url, inboxtest.Body(1, 3), secret, 200, "stored")
	inboxtest.Eventually(t, "it settles the event", func() bool {
		d, err := c.Plugin(t.Context(), "crm", "")
		return err == nil && d.Cursor == 3 && d.Retrying+d.Parked+d.Ready == 0
	})
}
