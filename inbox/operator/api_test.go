package operator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/inboxtest"
	"inbox/inbox/operator"
	"inbox/inbox/qoreid"
	"inbox/inbox/store"
)

// control is a fake program with answers that the test chooses.
type control struct {
	mu      sync.Mutex
	files   []operator.File
	changed []string
	halted  []string
	resumed bool
	notes   []string
	unsent  string

	manifest *inbox.Manifest
	unused   []string // releases with modules to delete
}

func (h *control) Files(context.Context) ([]operator.File, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.files), nil
}

func (h *control) Remove(_ context.Context, _ string, do func() ([]string, error)) error {
	unused, err := do()
	h.unused = append(h.unused, unused...)
	return err
}

func (h *control) Changed(plugin string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed = append(h.changed, plugin)
}

func (h *control) Halt(_ context.Context, plugin string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.halted = append(h.halted, plugin)
}

func (h *control) Permissions(context.Context, string, string) ([]inbox.Permission, error) {
	return []inbox.Permission{{Key: "limits.memory", Asks: "\"1 GiB\"", Missing: true, How: "under [limits], memory = \"1 GiB\""}}, nil
}

func (h *control) Manifest(context.Context, string) (*inbox.Manifest, error) { return h.manifest, nil }

func (h *control) Resume() { h.resumed = true }

// Unsent returns what the test set.
func (h *control) Unsent(string) (why, hint string) { return h.unsent, "" }

// Notes returns what the test set.
func (h *control) Notes(context.Context) []string { return h.notes }

// keys verifies the requests of every source with one secret.
type keys struct{ secret string }

func (k keys) Verify(r *inbox.Refused) (*inbox.Arrival, string, error) {
	if _, why := qoreid.Verify("", []qoreid.Secret{{Name: "s", Key: []byte(k.secret)}}, signature(r), r.Payload.Body); why != "" {
		return nil, why, nil
	}
	a := inboxtest.Arrival(string(r.Payload.Body))
	a.Origin = inbox.FromRecheck
	return a, "", nil
}

func (k keys) Explain(r *inbox.Refused) string {
	return qoreid.Explain("", []qoreid.Secret{{Name: "s", Key: []byte(k.secret)}}, signature(r), r.Payload.Body)
}

func signature(r *inbox.Refused) string {
	for _, h := range r.Payload.Headers {
		if h.Name == qoreid.DefaultHeader {
			return h.Value
		}
	}
	return ""
}

// rig is a store, an API over it, and a client.
type rig struct {
	*testing.T
	store   *store.Store
	control *control
	client  *api.Client
	opt     operator.Options
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, store: inboxtest.Store(t, store.Options{}), control: &control{}}
	r.opt = operator.Options{Store: r.store, Control: r.control, Sources: keys{"right"}, Version: "v1", Serving: true}
	r.client = &api.Client{HTTP: &http.Client{Transport: operator.Local{Handler: operator.New(r.opt)}}, Base: "http://in-process"}
	return r
}

// get sends a request as an operator and returns its answer.
func (r *rig) get(method, path string, body string) (int, string) {
	r.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	w := httptest.NewRecorder()
	operator.New(r.opt).ServeHTTP(w, req.WithContext(operator.WithActor(req.Context(), "tester")))
	return w.Code, w.Body.String()
}

// accept stores n events about one verification.
func (r *rig) accept(id, n int) []inbox.Receipt {
	r.Helper()
	var list []inbox.Receipt
	for i := range n {
		list = append(list, inboxtest.Accept(r, r.store, inboxtest.Body(id, i)))
	}
	return list
}

// settle submits a settlement and waits for its commit.
func (r *rig) settle(st *inbox.Settlement) {
	r.Helper()
	done := make(chan error, 1)
	st.Term = r.store.Term()
	err := r.store.Settle(r.Context(), st, func(err error) { done <- err })
	if err == nil {
		err = <-done
	}
	if err != nil {
		r.Fatal(err)
	}
}

// plugin registers a plugin that begins at the first event and has a live file.
func (r *rig) plugin(name string) {
	r.Helper()
	if err := r.store.Register(r.Context(), name, inbox.StartFrom{Start: true}); err != nil {
		r.Fatal(err)
	}
	r.release(name, "rel1")
	r.control.files = append(r.control.files, operator.File{Plugin: name, State: inbox.FileLive, Live: "rel1", Release: "rel1"})
}

func (r *rig) release(plugin, id string) {
	r.Helper()
	one := inbox.Release{ID: id, Plugin: plugin, Wasm: "sha-" + id, Size: 7, Manifest: []byte("# " + id), CreatedAt: time.Now()}
	if id != "gone" {
		one.Module = fmt.Appendf(nil, `{"kind":"session","sha256":"%s/%s"}`, plugin, id)
	}
	err := r.store.SaveRelease(r.Context(), one)
	if err == nil {
		err = r.store.SetLive(r.Context(), plugin, id)
	}
	if err != nil {
		r.Fatal(err)
	}
}

// die settles the plugin's delivery of an event as dead, which parks its lane.
func (r *rig) die(plugin string, seq int64, result inbox.Result) {
	r.Helper()
	e, err := r.store.Event(r.Context(), seq)
	if err != nil {
		r.Fatal(err)
	}
	lane := inbox.LaneID{Mode: e.Mode, Key: e.View.Key}
	at := time.Now()
	r.settle(&inbox.Settlement{
		Plugin: plugin, Position: inbox.PositionChange{Cursor: seq},
		Attempt: &inbox.Attempt{
			Plugin: plugin, Seq: seq, Number: 1, Result: result, Fate: inbox.Dead, Counted: true, StartedAt: at, Duration: 3 * time.Millisecond,
			Release: "rel1", Reason: "Ada Lovelace is not welcome", Log: []byte("saw Ada Lovelace\n"),
		},
		Lane: inbox.LaneChange{Put: &inbox.Lane{ID: lane, Next: seq, State: inbox.LaneParked, Attempt: 1, Counted: 1, Since: at}},
		Dead: &inbox.DeadLetter{Plugin: plugin, Seq: seq, Attempt: 1, Lane: lane, Parks: true, Result: result, DiedAt: at},
	})
}

// audited returns the recorded actions as "action target by actor: reason", oldest first.
func (r *rig) audited() []string {
	r.Helper()
	entries, err := r.client.Audit(r.Context(), inbox.AuditFilter{})
	if err != nil {
		r.Fatal(err)
	}
	var list []string
	for _, e := range slices.Backward(entries) {
		list = append(list, fmt.Sprintf("%s %s by %s: %s", e.Action, e.Target, e.Actor, e.Reason))
	}
	return list
}

func (r *rig) events(f inbox.Filter, ids ...string) []api.Event {
	r.Helper()
	var list []api.Event
	err := r.client.Events(r.Context(), f, ids, func(e api.Event) error { list = append(list, e); return nil })
	if err != nil {
		r.Fatal(err)
	}
	return list
}

func seqs(events []api.Event) []int64 {
	var list []int64
	for _, e := range events {
		list = append(list, e.Seq)
	}
	return list
}

func wantKind(t *testing.T, err error, kind inbox.Kind, text string) {
	t.Helper()
	if inbox.KindOf(err) != kind || !strings.Contains(fmt.Sprint(err), text) {
		t.Errorf("got %v (%s), want %s and %q", err, inbox.KindOf(err), kind, text)
	}
}

func TestWithoutAnActorNothingIsServed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, path := range []string{"/v1/status", "/v1/events", "/nowhere"} {
		w := httptest.NewRecorder()
		operator.New(r.opt).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), `"code":"unauthorized"`) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestEveryKindOfErrorHasItsStatusAndItsHint(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("p")
	for _, c := range []struct {
		method, path, body string
		status             int
		code               inbox.Kind
	}{
		{"GET", "/v1/nothing", "", 404, inbox.NotFound},
		{"DELETE", "/v1/events", "", 404, inbox.NotFound},
		{"GET", "/v1/events/evt_0000000000000000", "", 400, inbox.Invalid},
		{"GET", "/v1/events/evt_0000000100000000", "", 404, inbox.NotFound},
		{"GET", "/v1/events?nonsense=1", "", 400, inbox.Invalid},
		{"GET", "/v1/events?mode=prod", "", 400, inbox.Invalid},
		{"GET", "/v1/events?limit=-1", "", 400, inbox.Invalid},
		{"GET", "/v1/events?since=yesterday", "", 400, inbox.Invalid},
		{"GET", "/v1/events?where=data", "", 400, inbox.Invalid},
		{"GET", "/v1/events?key=a&key=b", "", 400, inbox.Invalid},
		{"GET", "/v1/events/stream?limit=1", "", 400, inbox.Invalid},
		{"GET", "/v1/events/stream?plugin=p", "", 400, inbox.Invalid},
		{"GET", "/v1/events/stream?newest=true", "", 400, inbox.Invalid},
		{"GET", "/v1/entities?older_than=old", "", 400, inbox.Invalid},
		{"GET", "/v1/entities/timeline?key=k", "", 400, inbox.Invalid},
		{"GET", "/v1/audit?limit=x", "", 400, inbox.Invalid},
		{"GET", "/v1/audit?since=yesterday", "", 400, inbox.Invalid},
		{"GET", "/v1/audit?action=reveal&action=backup", "", 400, inbox.Invalid},
		{"GET", "/v1/audit?event=workflow", "", 400, inbox.Invalid},
		{"GET", "/v1/quarantine?limit=x", "", 400, inbox.Invalid},
		{"POST", "/v1/dead/retry", "{}", 400, inbox.Invalid},
		{"POST", "/v1/dead/retry", "not json", 400, inbox.Invalid},
		{"POST", "/v1/replays", `{"rat":1}`, 400, inbox.Invalid},
		{"POST", "/v1/replays", `{}`, 400, inbox.Invalid},
		{"POST", "/v1/replays", `{"all":true,"only":"some"}`, 400, inbox.Invalid},
		{"POST", "/v1/replays", `{"all":true,"rate":-1}`, 400, inbox.Invalid},
		{"POST", "/v1/replays", `{"filter":{"before":3},"all":true}`, 400, inbox.Invalid},
		{"GET", "/v1/replays/x", "", 400, inbox.Invalid},
		{"GET", "/v1/replays/9", "", 404, inbox.NotFound},
		{"POST", "/v1/replays/9/cancel", "", 404, inbox.NotFound},
		{"GET", "/v1/plugins/q", "", 404, inbox.NotFound},
		{"POST", "/v1/plugins/q/pause", "", 404, inbox.NotFound},
		{"POST", "/v1/db/backup", `{"path":"here"}`, 400, inbox.Invalid},
	} {
		status, body := r.get(c.method, c.path, c.body)
		var p api.Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Errorf("%s %s: %v in %s", c.method, c.path, err, body)
		}
		if status != c.status || p.Error.Code != c.code || p.Error.Message == "" {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, status, body, c.status, c.code)
		}
	}
}

func TestTheTokenIsMadeOnceAndOpensTheAPI(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	dir := t.TempDir()
	token, err := operator.Token(dir)
	if err != nil || len(token) != 64 {
		t.Fatal(token, err)
	}
	if again, err := operator.Token(dir); err != nil || again != token {
		t.Error(again, err)
	}
	checkMode(t, dir+"/api.token")
	srv := httptest.NewServer(operator.RequireToken(operator.Gate{File: token}, operator.New(r.opt)))
	defer srv.Close()
	for shown, want := range map[string]inbox.Kind{"": inbox.Unauthorized, token[:63]: inbox.Unauthorized, "x" + token: inbox.Unauthorized, token: ""} {
		client := &api.Client{HTTP: srv.Client(), Base: srv.URL, Token: shown}
		_, err := client.Status(t.Context())
		if err != nil && inbox.KindOf(err) != want || err == nil && want != "" {
			t.Errorf("token %q: %v", shown, err)
		}
	}
	client := &api.Client{HTTP: srv.Client(), Base: srv.URL + "/", Token: token}
	if _, err := client.ResumeAll(t.Context(), api.ActionRequest{Reason: "why"}); err != nil {
		t.Error(err)
	}
	if got := r.audited(); !slices.Contains(got, "resume everything by token: why") || !r.control.resumed {
		t.Errorf("audit: %q", got)
	}
	if w := httptest.NewRecorder(); true {
		operator.RequireToken(operator.Gate{}, operator.New(r.opt)).ServeHTTP(w, httptest.NewRequest("GET", "/v1/status", nil))
		if w.Code != http.StatusUnauthorized {
			t.Error("an empty token opens the API")
		}
	}
}

func TestAClientSaysWhenThereIsNoInboxAtTheOtherEnd(t *testing.T) {
	t.Parallel()
	client := &api.Client{HTTP: http.DefaultClient, Base: "http://127.0.0.1:1"}
	_, err := client.Status(t.Context())
	wantKind(t, err, inbox.Unavailable, "no answer from http://127.0.0.1:1")
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/events" {
			_, _ = io.WriteString(w, `[{"seq":1},`)
			return
		}
		http.Error(w, "hello", http.StatusTeapot)
	}))
	defer srv.Close()
	client.Base = srv.URL
	_, err = client.Status(t.Context())
	wantKind(t, err, inbox.Unavailable, "the server answered 418 I'm a teapot, but is not inbox")
	err = client.Events(t.Context(), inbox.Filter{}, nil, func(api.Event) error { return nil })
	wantKind(t, err, inbox.Unavailable, "read the answer")
	client.Base = "http://\x00"
	_, err = client.Status(t.Context())
	wantKind(t, err, inbox.Invalid, "is not the address of a server")
}
