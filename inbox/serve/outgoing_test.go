package serve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/qoreid"
)

// arrival is a request as the receiver got it.
type arrival struct{ body, key, signature string }

// receiver answers the requests of a plugin badly at first: with 500, with a broken connection, with 429, and never.
type receiver struct {
	mu    sync.Mutex
	list  []arrival
	tries map[string]int // by body
	mends chan struct{}  // closed when it answers every request
}

// ServeHTTP answers one request.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the sender was stopped
	}
	r.mu.Lock()
	r.list = append(r.list, arrival{string(body), req.Header.Get("Idempotency-Key"), req.Header.Get(qoreid.DefaultHeader)})
	r.tries[string(body)]++
	first := r.tries[string(body)] == 1
	r.mu.Unlock()
	switch {
	case string(body) == bodyOf(4, 0):
		select {
		case <-r.mends:
		case <-req.Context().Done():
		}
	case !first:
	case string(body) == bodyOf(1, 0):
		w.WriteHeader(http.StatusInternalServerError)
	case string(body) == bodyOf(2, 0):
		reset(w)
	case string(body) == bodyOf(3, 0):
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	}
}

// reset breaks the connection of a request.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a RST in place of a FIN
	}
	_ = conn.Close()
}

func bodyOf(id, n int) string {
	return fmt.Sprintf(`{"event":"workflow","event_type":"step_verification_completed","data":{"id":%d,"n":%d}}`, id, n)
}

// TestRequestsArriveInOrderThroughFailuresAndAStop follows requests through all parts: a plugin asks that every event is sent on,
// and the receiver fails in every way at first. Then the server stops in the middle of a request and starts again.
func TestRequestsArriveInOrderThroughFailuresAndAStop(t *testing.T) {
	t.Parallel()
	r := &receiver{tries: map[string]int{}, mends: make(chan struct{})}
	to := httptest.NewServer(r)
	defer to.Close()
	dir := t.TempDir()
	at, stop := start(t, dir)
	install(t, dir, "crm.toml", fmt.Sprintf("start_from = \"start\"\n[http]\nprivate = [%q]\n[http.retry]\nbase = \"100ms\"\n", to.URL))
	install(t, dir, "crm.wasm", string(inboxtest.Says(fmt.Sprintf(`{"outcome":"ok","http":[{"method":"POST","url":"%s/hook","raw":true}]}`, to.URL))))
	var sent []string
	for _, c := range [][2]int{{4, 0}, {1, 0}, {1, 1}, {2, 0}, {3, 0}, {1, 2}, {4, 1}} {
		sent = append(sent, bodyOf(c[0], c[1]))
		post(t, at, bodyOf(c[0], c[1]), secret, 200, "stored")
	}
	db := openStore(t, dir)
	states := func() (n map[inbox.EffectState]int) {
		n = map[inbox.EffectState]int{}
		if err := db.EachEffect(context.Background(), inbox.EffectFilter{}, func(d *inbox.EffectDetail) error {
			n[d.State]++
			return nil
		}); err != nil {
			t.Error(err)
		}
		return n
	}
	inboxtest.Eventually(t, "all but those behind the request that hangs have arrived", func() bool { return states()[inbox.EffectDone] == 5 })
	stop()
	if n := states(); n[inbox.EffectWaiting] != 2 {
		t.Errorf("after the stop: %v", n)
	}
	close(r.mends)
	_, stop = start(t, dir)
	inboxtest.Eventually(t, "all have arrived", func() bool { return states()[inbox.EffectDone] == len(sent) })
	stop()
	r.check(t, sent)
	inboxtest.Check(t, db)
}

// check checks what has arrived: each body with one key and its own signature, and those of one verification in order.
func (r *receiver) check(t *testing.T, sent []string) {
	t.Helper()
	keys := map[string]string{}
	var newest []string
	for _, a := range r.list {
		if keys[a.body] == "" {
			newest = append(newest, a.body)
			keys[a.body] = a.key
		}
		if a.key != keys[a.body] || len(a.key) != 32 || a.signature != qoreid.Sign("", []byte(secret), []byte(a.body)) {
			t.Errorf("%s arrived with the key %q, before with %q, and the signature %q", a.body, a.key, keys[a.body], a.signature)
		}
	}
	for id := 1; id <= 4; id++ {
		var want, got []string
		for n := range 3 {
			if body := bodyOf(id, n); slices.Contains(sent, body) {
				want = append(want, body)
			}
		}
		for _, body := range newest {
			if slices.Contains(want, body) {
				got = append(got, body)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("verification %d arrived as %v", id, got)
		}
	}
	for _, body := range []string{bodyOf(1, 0), bodyOf(2, 0), bodyOf(3, 0), bodyOf(4, 0)} {
		if r.tries[body] != 2 {
			t.Errorf("%s arrived %d times", body, r.tries[body])
		}
	}
	if seen := map[string]bool{}; true {
		for body, key := range keys {
			if seen[key] {
				t.Errorf("%s has the key of another request", body)
			}
			seen[key] = true
		}
	}
}

// TestTheResponseOfARequestReachesThePluginThatAsked follows a request with then: its response is an event of the same verification,
// which the plugin gets in order, and answers once.
func TestTheResponseOfARequestReachesThePluginThatAsked(t *testing.T) {
	t.Parallel()
	const own = "a secret of the receiver"
	var tries atomic.Int32
	to := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err != nil || r.Header.Get(qoreid.DefaultHeader) != qoreid.Sign("", []byte(own), body) {
			t.Errorf("%s has the signature %q, %v", body, r.Header.Get(qoreid.DefaultHeader), err)
		}
		if tries.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"customer":7}`)
	}))
	defer to.Close()
	dir := t.TempDir()
	at, stop := start(t, dir)
	grants := fmt.Sprintf("start_from = \"start\"\nemit = [\"crm.answered\"]\n[http]\nprivate = [%q]\n[http.retry]\nbase = \"100ms\"\n", to.URL)
	file := filepath.Join(t.TempDir(), "own")
	if err := os.WriteFile(file, []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	grants += fmt.Sprintf("[secrets]\nown = {value = %q, origins = [%q]}\n", "file:"+file, to.URL)
	install(t, dir, "crm.toml", "events = [\"workflow\"]\n"+grants)
	install(t, dir, "crm.wasm", string(inboxtest.Says(fmt.Sprintf(`{"outcome":"ok","http":[{"method":"POST","url":"%s/hook","raw":true,"sign":{"scheme":"qoreid","secret":"own"},"then":"crm.answered"}]}`, to.URL))))
	install(t, dir, "next.toml", "start_from = \"start\"\nevents = [\"crm.*\"]\n")
	install(t, dir, "next.wasm", string(inboxtest.Says(`{"outcome":"ok"}`)))
	post(t, at, bodyOf(1, 0), secret, 200, "stored")
	db := openStore(t, dir)
	inboxtest.Eventually(t, "the response was delivered", func() bool {
		tr, err := db.Trace(context.Background(), 2)
		return err == nil && slices.ContainsFunc(tr.Deliveries, func(d inbox.DeliveryTrace) bool { return d.Plugin == "next" && d.State == inbox.StateSettled })
	})
	stop()
	tr, err := db.Trace(context.Background(), 2)
	if err != nil || tr.Cause == nil || tr.Cause.Seq != 1 || tr.Cause.Effect != 1 || tr.Cause.Index != 2 {
		t.Fatalf("%+v, %v", tr, err)
	}
	p, err := db.Payload(context.Background(), 2)
	var got struct {
		Status  int
		Outcome string
		Body    struct{ Customer int }
	}
	if err != nil || json.Unmarshal(p.Body, &got) != nil || got.Status != 200 || got.Outcome != "done" || got.Body.Customer != 7 {
		t.Errorf("its body is %s, %v", p.Body, err)
	}
	inboxtest.Check(t, db)
}

// TestTheExampleGoesOnFromAResponse runs examples/answers-go with its manifest, and a real API whose first answer fails.
func TestTheExampleGoesOnFromAResponse(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	keys := make(chan string, 10)
	to := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys <- r.Header.Get("Idempotency-Key")
		if tries.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"number":"A-7"}`)
	}))
	defer to.Close()
	module := filepath.Join(t.TempDir(), "answers.wasm")
	build := exec.Command("go", "build", "-trimpath", "-o", module, "inbox/examples/answers-go")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	wasm, err := os.ReadFile(module)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile("../../examples/answers-go/answers.toml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(strings.ReplaceAll(string(manifest), "https://api.example.com", to.URL), "allow =", "private =", 1)
	dir := t.TempDir()
	at, stop := start(t, dir)
	install(t, dir, "answers.toml", "start_from = \"start\"\n"+text+"[http.retry]\nbase = \"100ms\"\n")
	install(t, dir, "answers.wasm", string(wasm))
	body := `{"event":"workflow","event_type":"verification_completed","data":{"id":1,"customerReference":"c-1","status":{"state":"COMPLETE","status":"VERIFIED"}}}`
	post(t, at, body, secret, 200, "stored")
	db := openStore(t, dir)
	lane := inbox.LaneID{Mode: inbox.Live, Key: "qoreid/workflow/1"}
	inboxtest.Eventually(t, "the plugin keeps the number that the API gave", func() bool {
		// Not State, which caches what this store has read.
		e, err := db.StateAt(context.Background(), inbox.StateID{Plugin: "answers", Lane: lane}, inbox.StateMoment{})
		return err == nil && string(e.Document) == `{"asked":true,"number":"A-7"}`
	})
	stop()
	if first, second := <-keys, <-keys; first == "" || first != second || len(keys) != 0 {
		t.Errorf("the keys are %q and %q, and there are %d more requests", first, second, len(keys))
	}
	inboxtest.Check(t, db)
}
