package serve_test

import (
	"context"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

// TestAPluginGetsOnlyTheDataThatItsManifestGrants sends one event to three plugins and reads their logs. One gets the whole body, one
// gets a field, and one reads the text that is withheld from its document.
func TestAPluginGetsOnlyTheDataThatItsManifestGrants(t *testing.T) {
	dir := t.TempDir()
	url, stop := start(t, dir)
	photo := strings.Repeat("/9j4AAQSkZJRg", 100) // 1300 bytes
	body := `{"event":"address","data":{"id":7, "id":8,"name":"Ada","photo":"` + photo + `"}}`
	post(t, url, body, secret, 200, `"seq":1`)
	const toml = "start_from = \"start\"\n[data]\ninline_max = \"1 KiB\"\n"
	install(t, dir, "all.toml", toml)
	install(t, dir, "some.toml", toml+"fields = [\"/data/id\"]\n")
	install(t, dir, "reader.toml", toml+"fields = [\"/data/photo\"]\n")
	install(t, dir, "all.wasm", guest(t, "echo"))
	install(t, dir, "some.wasm", guest(t, "echo"))
	install(t, dir, "reader.wasm", guest(t, "read"))
	db := openStore(t, dir)
	inboxtest.Eventually(t, "all three have had it", func() bool {
		tr, err := db.Trace(context.Background(), 1)
		done := 0
		for _, d := range tr.Deliveries {
			done += len(d.Attempts)
		}
		return err == nil && done == 3
	})
	stop()
	tr, err := db.Trace(context.Background(), 1)
	if err != nil {
		t.Fatal(err)
	}
	logs := map[string]string{}
	for _, d := range tr.Deliveries {
		for _, a := range d.Attempts {
			if a.Result != inbox.OK {
				t.Errorf("%s: %s (%s)", d.Plugin, a.Result, a.Reason)
			}
			logs[d.Plugin] = string(a.Log)
		}
	}
	if want := `"body":{"event":"address","data":{"id":7, "id":8,"name":"Ada","photo":null}},"withheld":[{"ptr":"/data/photo","size":1300}]}`; !strings.Contains(logs["all"], want) {
		t.Errorf("all: %s", logs["all"])
	}
	if want := `"body":{"data":{"id":7,"id":8}},"withheld":[]}`; !strings.Contains(logs["some"], want) {
		t.Errorf("some: %s", logs["some"])
	}
	if logs["reader"] != photo {
		t.Errorf("reader: %s", logs["reader"])
	}
}
