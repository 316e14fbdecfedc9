//go:build unix

package serve_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

// TestARestartAfterAKillInAFetchAsksAgainWithTheSameKey kills a real server whose plugin has fetched once and waits for its second answer.
func TestARestartAfterAKillInAFetchAsksAgainWithTheSameKey(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(t.TempDir(), "inbox")
	if out, err := exec.Command("go", "build", "-o", bin, "inbox").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	keys, second, works := make(chan string, 10), make(chan struct{}, 10), new(atomic.Bool)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/first" {
			keys <- r.Header.Get("Idempotency-Key")
			return
		}
		second <- struct{}{}
		if !works.Load() {
			<-r.Context().Done()
		}
	}))
	defer api.Close()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "plugins"), 0o700); err != nil {
		t.Fatal(err)
	}
	install(t, dir, "f.toml", fmt.Sprintf("start_from = \"start\"\nemit = [\"customer.*\"]\n[http]\nprivate = [%q]\n[limits]\ntime = \"1m\"\n", api.URL))
	install(t, dir, "f.wasm", buildPlugin(t, "inbox/inbox/host/testdata/fetcher"))
	at, cmd := spawn(t, bin, dir)
	post(t, at, fmt.Sprintf(`{"event":"workflow","data":{"id":1},"Requests":[{"Method":"POST","URL":"%s/first"},{"Method":"POST","URL":"%s/second"}]}`, api.URL, api.URL), secret, 200, "stored")
	<-second
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the error of a killed process
	db := openStore(t, dir)
	trace := func() inbox.DeliveryTrace {
		tr, err := db.Trace(context.Background(), 1)
		if err != nil || len(tr.Deliveries) != 1 {
			t.Fatalf("%+v, %v", tr, err)
		}
		return tr.Deliveries[0]
	}
	if d := trace(); len(d.Attempts)+len(d.Fetches) > 0 {
		t.Errorf("the killed server has recorded %+v", d)
	}
	works.Store(true)
	_, stop := start(t, dir)
	inboxtest.Eventually(t, "the event is settled", func() bool { return trace().State == inbox.StateSettled })
	stop()
	if d := trace(); len(d.Attempts) != 1 || len(d.Fetches) != 2 {
		t.Errorf("%+v", d)
	}
	if one, again := <-keys, <-keys; one == "" || one != again || len(keys) > 0 {
		t.Errorf("asked with the keys %q and %q, and %d more", one, again, len(keys))
	}
	inboxtest.Check(t, db)
}
