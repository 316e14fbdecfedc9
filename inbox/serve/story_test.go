package serve_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/config"
	"inbox/inbox/inboxtest"
	"inbox/inbox/qoreid"
	"inbox/inbox/serve"
	"inbox/inbox/store"
	"inbox/plugins/demo"
)

const secret = "whsec_inbox_test_1"

// TestStory follows webhooks through all parts. A signed webhook is received, verified, stored, delivered in order to a plugin, retried
// and settled. An unsigned webhook is quarantined. After the server stops, all of this is stored.
func TestStory(t *testing.T) {
	dir := t.TempDir()
	at, stop := start(t, dir)

	post(t, at, `{"event":"workflow","event_type":"verification_started","data":{"id":7}}`, secret, 200, `"seq":1,"status":"stored"`)
	post(t, at, `{"event":"workflow","event_type":"verification_started","data":{"id":7}}`, secret, 200, `"seq":1,"status":"duplicate"`)
	post(t, at, `{"event":"employment","event_type":"verification_completed","data":{"id":8}}`, secret, 200, `"seq":2`)
	post(t, at, `{"event":"employment","event_type":"verification_completed","data":{"id":8,"more":1}}`, secret, 200, `"seq":3`)
	post(t, at, `{"event":"workflow","event_type":"verification_completed","data":{"id":7}}`, secret, 200, `"seq":4`)
	post(t, at, `{"event":"workflow","data":{"id":9}}`, "another secret", 401, "mismatch")
	post(t, at, `{}`, "", 200, "probe")

	install(t, dir, "demo.toml", "start_from = \"start\"\n[retry]\nbase = \"100ms\"\nmax = \"200ms\"\n")
	install(t, dir, "demo.wasm", string(demo.Wasm()))
	db := openStore(t, dir)
	inboxtest.Eventually(t, "everything is settled", func() bool {
		p, err := db.Plugins(context.Background())
		return err == nil && len(p) == 1 && p[0].Cursor == 4 && p[0].Retrying+p[0].Ready == 0
	})
	stop()

	tr, err := db.Trace(context.Background(), 2)
	if err != nil || len(tr.Deliveries) != 1 {
		t.Fatalf("%+v, %v", tr, err)
	}
	a := tr.Deliveries[0].Attempts // the demo plugin retries every employment event once
	if len(a) != 2 || a[0].Result != inbox.Retry || a[1].Result != inbox.OK || !strings.Contains(string(a[1].Log), "employment") {
		t.Errorf("attempts %+v", a)
	}
	if tr, err = db.Trace(context.Background(), 1); err != nil || tr.Copies.Count != 1 {
		t.Errorf("copies of the first: %+v, %v", tr, err)
	}
	if st, err := db.Stats(context.Background()); err != nil || st.Events != 4 || st.Quarantine.Count != 1 {
		t.Errorf("%+v, %v", st, err)
	}
	inboxtest.Check(t, db)
}

// start runs a server on a directory and returns the URL of its webhooks, and a function that stops it and waits.
func start(t *testing.T, dir string) (url string, stop func()) {
	t.Helper()
	s, err := config.Load(config.Inputs{
		File:  os.DevNull,
		Flags: map[string]string{"data": dir, "listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "min-free": "1 KiB"},
		Getenv: func(name string) string {
			return map[string]string{"INBOX_QOREID_SECRET": secret}[name]
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan serve.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- serve.Run(ctx, s, serve.Options{
			Log: slog.New(slog.DiscardHandler), Ready: func(a serve.Addresses) { ready <- a }, Hooks: serve.Hooks{Cache: inboxtest.CompileCache()},
		})
	}()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server: %v", err)
		}
	}
	select {
	case a := <-ready:
		return "http://" + a.Webhooks + "/webhooks/qoreid", stop
	case err := <-ended:
		t.Fatalf("the server did not start: %v", err)
	}
	return "", nil
}

func post(t *testing.T, url, body, key string, code int, says string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		r.Header.Set(qoreid.DefaultHeader, qoreid.Sign("", []byte(key), []byte(body)))
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != code || !strings.Contains(string(text), says) {
		t.Errorf("%s: answered with %d %s, want %d …%s…; %v", body, resp.StatusCode, text, code, says, err)
	}
}

// install installs a file in the plugins folder as an operator should: it writes the file beside the folder and renames it.
func install(t *testing.T, dir, name, text string) {
	t.Helper()
	tmp := filepath.Join(dir, "plugins", "."+name)
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, "plugins", name)); err != nil {
		t.Fatal(err)
	}
}

// openStore opens a server's store for reading.
func openStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	db, err := store.Open(context.Background(), store.Options{Dir: dir, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestTheErrorOfAServerThatCannotStartNamesTheReason(t *testing.T) {
	dir := t.TempDir()
	url, stop := start(t, dir)
	defer stop()
	listen := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/webhooks/qoreid")
	for name, c := range map[string]struct {
		flags  map[string]string
		secret string
		kind   inbox.Kind
		says   string
	}{
		"a second server":         {map[string]string{"data": dir}, secret, inbox.Unavailable, fmt.Sprint("process ", os.Getpid())},
		"no secret":               {map[string]string{"data": t.TempDir()}, "", inbox.Invalid, "no webhook secret"},
		"a taken port":            {map[string]string{"data": t.TempDir(), "listen": listen}, secret, inbox.Unavailable, "address already in use"},
		"an impossible directory": {map[string]string{"data": "/dev/null/x"}, secret, inbox.Invalid, "/dev/null/x"},
	} {
		flags := map[string]string{"listen": "127.0.0.1:0", "admin": ""}
		for k, v := range c.flags {
			flags[k] = v
		}
		s, err := config.Load(config.Inputs{File: os.DevNull, Flags: flags, Getenv: func(n string) string {
			return map[string]string{"INBOX_QOREID_SECRET": c.secret}[n]
		}})
		if err != nil {
			t.Fatal(err)
		}
		err = serve.Run(context.Background(), s, serve.Options{Log: slog.New(slog.DiscardHandler)})
		if inbox.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) || inbox.HintOf(err) == "" {
			t.Errorf("%s: %s: %v (%s)", name, inbox.KindOf(err), err, inbox.HintOf(err))
		}
	}
}
