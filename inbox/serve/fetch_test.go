package serve_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

// buildPlugin builds a plugin in Go.
func buildPlugin(t *testing.T, pkg string) string {
	t.Helper()
	module := filepath.Join(t.TempDir(), "plugin.wasm")
	build := exec.Command("go", "build", "-trimpath", "-o", module, pkg)
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	wasm, err := os.ReadFile(module)
	if err != nil {
		t.Fatal(err)
	}
	return string(wasm)
}

// TestTheExampleAsksAnAPIBeforeItDecides runs examples/ask-api-go with its manifest, and a real API whose first answer fails and that
// repeats the secret. Then the event is replayed without the API.
func TestTheExampleAsksAnAPIBeforeItDecides(t *testing.T) {
	t.Parallel()
	const token = "a-token-of-the-operator"
	var asked atomic.Int32
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/customers/c-1" || r.Header.Get("Authorization") != "Bearer "+token {
			t.Errorf("asked for %s with %q", r.URL, r.Header.Get("Authorization"))
		}
		if asked.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"limit":500,"token":"`+token+`"}`)
	}))
	defer api.Close()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile("../../examples/ask-api-go/ask.toml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("https://api.example.com", api.URL, "allow =", "private =", "env:CRM_TOKEN", "file:"+file).Replace(string(manifest))
	dir := t.TempDir()
	at, stop := start(t, dir)
	install(t, dir, "ask.toml", "start_from = \"start\"\n"+text+"[retry]\nbase = \"100ms\"\n")
	install(t, dir, "ask.wasm", buildPlugin(t, "inbox/examples/ask-api-go"))
	body := `{"event":"workflow","event_type":"verification_completed","data":{"id":1,"customerReference":"c-1","status":{"state":"COMPLETE","status":"VERIFIED"}}}`
	post(t, at, body, secret, 200, "stored")
	db := openStore(t, dir)
	trace := func() (d inbox.DeliveryTrace) {
		if tr, err := db.Trace(context.Background(), 1); err == nil && len(tr.Deliveries) == 1 {
			d = tr.Deliveries[0]
		}
		return d
	}
	inboxtest.Eventually(t, "the event is settled", func() bool { return trace().State == inbox.StateSettled })
	d := trace()
	if len(d.Attempts) != 2 || len(d.Fetches) != 2 || d.Fetches[0].Status != 503 || d.Fetches[1].Status != 200 || d.Fetches[1].Origin != api.URL {
		t.Fatalf("%+v", d)
	}
	journal, err := db.Journal(context.Background(), "ask", 1, 0, 2)
	if err != nil || len(journal) != 1 || !strings.Contains(string(journal[0].Document), `"limit":500`) || strings.Contains(string(journal[0].Document), token) {
		t.Errorf("the journal is %s, %v", journal[0].Document, err)
	}

	api.Close()
	stop()
	_, stop = replayed(t, dir, db, inbox.HoldEffects)
	inboxtest.Eventually(t, "the replay has ended", func() bool { return len(trace().Attempts) == 3 })
	stop()
	if d = trace(); d.Attempts[2].Result != inbox.OK || len(d.Fetches) != 3 || !d.Fetches[2].Again || asked.Load() != 2 {
		t.Errorf("after a replay that holds: %+v", d)
	}
	_, stop = replayed(t, dir, db, inbox.SendEffects)
	inboxtest.Eventually(t, "the replay asks the closed API", func() bool { return len(trace().Attempts) >= 4 })
	stop()
	if d = trace(); d.Attempts[3].Result != inbox.Retry || d.Fetches[3].Again || !strings.Contains(d.Fetches[3].Why, "connection refused") {
		t.Errorf("after a replay that sends: %+v", d)
	}
	inboxtest.Check(t, db)
}

// replayed stores a replay of event 1 and starts the server.
func replayed(t *testing.T, dir string, db interface {
	CreateReplay(ctx context.Context, who inbox.Actor, j *inbox.Replay) error
}, how inbox.ReplayEffects) (string, func()) {
	t.Helper()
	j := &inbox.Replay{Plugins: []string{"ask"}, Filter: inbox.Filter{Seqs: []int64{1}}, Only: inbox.OnlyAll, Effects: how}
	if err := db.CreateReplay(context.Background(), inbox.Actor{Name: "test"}, j); err != nil {
		t.Fatal(err)
	}
	return start(t, dir)
}
