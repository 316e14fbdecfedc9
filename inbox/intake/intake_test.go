package intake_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/intake"
	"inbox/inbox/qoreid"
)

const (
	path = "/webhooks/qoreid"
	key  = "whsec_inbox_test_1"
	body = `{"event":"address","event_type":"verification_completed","data":{"id":1,"customerReference":"ref-1"}}`
)

// memory is a store in memory that can be told to fail or to wait.
type memory struct {
	mu       sync.Mutex
	accepted []*inbox.Arrival
	refused  []*inbox.Refused
	fail     error
	gate     chan struct{} // when set, Accept and Refuse wait until it is closed
	entered  chan struct{} // when set, receives before they wait
}

func (m *memory) wait(ctx context.Context) error {
	if m.entered != nil {
		m.entered <- struct{}{}
	}
	if m.gate != nil {
		select {
		case <-m.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fail
}

func (m *memory) Accept(ctx context.Context, a *inbox.Arrival) (inbox.Receipt, error) {
	if err := m.wait(ctx); err != nil {
		return inbox.Receipt{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, old := range m.accepted {
		if !a.NoDedup && old.Source == a.Source && bytes.Equal(old.Payload.Body, a.Payload.Body) {
			return inbox.Receipt{ID: "evt", Seq: int64(i + 1), Status: inbox.Duplicate}, nil
		}
	}
	m.accepted = append(m.accepted, a)
	return inbox.Receipt{ID: "evt", Seq: int64(len(m.accepted)), Status: inbox.Stored}, nil
}

func (m *memory) Refuse(ctx context.Context, r *inbox.Refused) error {
	if err := m.wait(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused = append(m.refused, r)
	return nil
}

func (m *memory) Ready(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fail
}

// server is a real HTTP server with the handler.
type server struct {
	*httptest.Server
	keep    *memory
	answers chan intake.Answer
}

func secrets(keys ...string) func() []qoreid.Secret {
	var list []qoreid.Secret
	for i, k := range keys {
		list = append(list, qoreid.Secret{Name: string(rune('a' + i)), Key: []byte(k)})
	}
	return func() []qoreid.Secret { return list }
}

// source returns the source of the documentation; tests change copies of it.
func source() intake.Source { return intake.Source{Name: "qoreid", Path: path, Secrets: secrets(key)} }

func open(t testing.TB, o intake.Options) *server {
	t.Helper()
	d := &server{keep: &memory{}, answers: make(chan intake.Answer, 10000)}
	if o.Sources == nil {
		o.Sources = []intake.Source{source()}
	}
	if keep, ok := o.Keep.(*memory); ok {
		d.keep = keep
	}
	o.Keep = d.keep
	o.Observe = func(a intake.Answer) { d.answers <- a }
	d.Server = httptest.NewServer(intake.New(o))
	t.Cleanup(d.Close)
	return d
}

// reply is the answer that the client received.
type reply struct {
	code   int
	header http.Header
	ID     *string `json:"id"`
	Seq    *int64  `json:"seq"`
	Status string  `json:"status"`
	Error  struct{ Code, Message string }
}

func (d *server) do(t testing.TB, req *http.Request) reply {
	t.Helper()
	resp, err := d.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	r := reply{code: resp.StatusCode, header: resp.Header}
	if got := resp.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("the answer is of type %q", got)
	}
	if req.Method != http.MethodHead {
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatalf("the answer is %q: %v", text, err)
		}
	}
	return r
}

// request makes a request with these headers, given as name, value, name, value.
func (d *server) request(t testing.TB, method, path, body string, headers ...string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(method, d.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	return req
}

func (d *server) post(t testing.TB, body string, headers ...string) reply {
	t.Helper()
	return d.do(t, d.request(t, http.MethodPost, path, body, headers...))
}

func signed(body string) []string { return signedBy(key, body) }

func signedBy(key, body string) []string {
	return []string{qoreid.DefaultHeader, qoreid.Sign("", []byte(key), []byte(body))}
}

// answer waits for the next call of the observer.
func (d *server) answer(t testing.TB) intake.Answer {
	t.Helper()
	select {
	case a := <-d.answers:
		return a
	case <-time.After(10 * time.Second):
		t.Fatal("the observer was told nothing")
		return intake.Answer{}
	}
}

func zipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestASignedBodyIsStoredBeforeItIsAnswered(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	d := open(t, intake.Options{Now: func() time.Time { return at }})
	r := d.post(t, body, append(signed(body), "Content-Type", "application/json", "X-Request-Id", "7")...)
	if r.code != 200 || r.Status != "stored" || r.Seq == nil || *r.Seq != 1 || r.ID == nil || *r.ID != "evt" {
		t.Fatalf("answered %+v", r)
	}
	a := d.keep.accepted[0]
	if a.Source != "qoreid" || a.Mode != inbox.Live || a.Origin != inbox.FromWebhook || a.SecretName != "a" || !a.ReceivedAt.Equal(at) || a.NoDedup {
		t.Errorf("stored %+v", a)
	}
	if a.View.Key != "qoreid/address/1" || a.View.EventType != "verification_completed" || string(a.Payload.Body) != body {
		t.Errorf("stored %+v of %q", a.View, a.Payload.Body)
	}
	if !slices.Contains(a.Payload.Headers, inbox.Header{Name: "x-request-id", Value: "7"}) {
		t.Errorf("kept the headers %v", a.Payload.Headers)
	}
	if got := d.answer(t); got.Code != 200 || got.Status != "stored" || got.Source != "qoreid" || got.Secret != "a" || got.Size != len(body) {
		t.Errorf("observed %+v", got)
	}
	if r := d.post(t, body, signed(body)...); r.code != 200 || r.Status != "duplicate" || *r.Seq != 1 {
		t.Errorf("the second copy is answered %+v", r)
	}
}

func TestStrangeBodiesAreStoredWhenTheyAreSigned(t *testing.T) {
	t.Parallel()
	d := open(t, intake.Options{})
	for i, body := range []string{
		"not JSON", "{", "[]", "null", "0", "\xff\xfe\x00", "\xef\xbb\xbf{\"event\":\"address\"}", `{"a":1}` + "\n", `{}{}`, `{"" :0}`,
		strings.Repeat("[", 100_000), strings.Repeat(" ", 100) + "x",
	} {
		if r := d.post(t, body, signed(body)...); r.code != 200 || r.Status != "stored" || string(d.keep.accepted[i].Payload.Body) != body {
			t.Errorf("%.20q: %+v", body, r)
		}
	}
}

func TestAProbeIsAnsweredAndNeverStored(t *testing.T) {
	t.Parallel()
	d := open(t, intake.Options{})
	probes := map[string]*http.Request{
		"GET":          d.request(t, http.MethodGet, path, ""),
		"HEAD":         d.request(t, http.MethodHead, path, ""),
		"empty":        d.request(t, http.MethodPost, path, ""),
		"{}":           d.request(t, http.MethodPost, path, "{}"),
		"spaces":       d.request(t, http.MethodPost, path, " \r\n"),
		"{} in spaces": d.request(t, http.MethodPost, path, " {\n"+strings.Repeat(" ", 500)+"}\t\n"),
		"signed {}":    d.request(t, http.MethodPost, path, "{}", signed("{}")...),
		"blank sign.":  d.request(t, http.MethodPost, path, "{}", qoreid.DefaultHeader, " ", qoreid.DefaultHeader, ""),
		"signed GET":   d.request(t, http.MethodGet, path, "", signed("")...),
		"zipped {}":    d.request(t, http.MethodPost, path, zipped(t, "{ }"), append(signed(zipped(t, "{ }")), "Content-Encoding", "gzip")...),
	}
	for name, req := range probes {
		r := d.do(t, req)
		if r.code != 200 || (name != "HEAD" && (r.Status != "probe" || r.ID != nil || r.Seq != nil)) {
			t.Errorf("%s: %+v", name, r)
		}
		if a := d.answer(t); a.Status != "probe" || a.Source != "qoreid" {
			t.Errorf("%s: observed %+v", name, a)
		}
	}
	if len(d.keep.accepted)+len(d.keep.refused) != 0 {
		t.Errorf("kept %d and %d", len(d.keep.accepted), len(d.keep.refused))
	}
	d.keep.fail = inbox.Errorf(inbox.Unavailable, "", "no disk")
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		if r := d.do(t, d.request(t, method, path, "")); r.code != 503 || r.header.Get("Retry-After") == "" {
			t.Errorf("%s while the store is down: %+v", method, r)
		}
	}
}

func TestABodyWithoutAValidSignatureIsRefusedAndKept(t *testing.T) {
	t.Parallel()
	d := open(t, intake.Options{})
	good := signed(body)[1]
	for i, c := range []struct{ why, sig string }{
		{qoreid.Missing, ""}, {qoreid.Malformed, "abc"}, {qoreid.Mismatch, signedBy("other", body)[1]}, {qoreid.Malformed, good + "0"},
	} {
		r := d.post(t, body, qoreid.DefaultHeader, c.sig, "Authorization", "Bearer t", "Cookie", "s=1")
		if r.code != 401 || r.Error.Code != c.why || !strings.Contains(r.Error.Message, qoreid.DefaultHeader) {
			t.Errorf("%s: %+v", c.why, r)
		}
		if a := d.answer(t); a.Code != 401 || a.Status != c.why || a.Secret != "" || a.Unkept {
			t.Errorf("%s: observed %+v", c.why, a)
		}
		kept := d.keep.refused[i]
		if kept.Why != c.why || kept.Source != "qoreid" || kept.Address != "127.0.0.1" || string(kept.Payload.Body) != body || kept.SignatureHeader != qoreid.DefaultHeader {
			t.Errorf("%s: kept %+v", c.why, kept)
		}
		for _, h := range kept.Payload.Headers {
			if h.Name == qoreid.DefaultHeader && h.Value != c.sig {
				t.Errorf("%s: kept the signature %q", c.why, h.Value)
			}
			if (h.Name == "authorization" || h.Name == "cookie") && h.Value != "(removed)" {
				t.Errorf("%s: kept %s: %s", c.why, h.Name, h.Value)
			}
		}
	}
	if len(d.keep.accepted) != 0 {
		t.Errorf("accepted %d", len(d.keep.accepted))
	}
}

func TestWithoutASecretEverythingIsQuarantined(t *testing.T) {
	t.Parallel()
	s := source()
	s.Secrets = nil
	d := open(t, intake.Options{Sources: []intake.Source{s}})
	if r := d.post(t, body, signed(body)...); r.code != 401 || r.Error.Code != qoreid.NoSecret {
		t.Errorf("answered %+v", r)
	}
	if r := d.post(t, "{}"); r.code != 200 || r.Status != "probe" {
		t.Errorf("a probe is answered %+v", r)
	}
	kept := d.keep.refused[0]
	a, why, err := source().Verify(kept.Payload.Body, kept.Payload.Headers, inbox.FromRecheck, kept.LastAt, kept.ReceivedAt)
	if err != nil || why != "" || a.Origin != inbox.FromRecheck || a.View.Key != "qoreid/address/1" || !a.FirstSeen.Equal(kept.ReceivedAt) {
		t.Errorf("with the secret it is %+v, %q, %v", a, why, err)
	}
}

func TestTheSecretThatMatchedIsNamedAndSecretsCanChange(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	keys := []string{"old", "new"}
	s := source()
	s.Secrets = func() []qoreid.Secret {
		mu.Lock()
		defer mu.Unlock()
		return secrets(keys...)()
	}
	d := open(t, intake.Options{Sources: []intake.Source{s}})
	d.post(t, body, signedBy("new", body)...)
	if a := d.answer(t); a.Secret != "b" || d.keep.accepted[0].SecretName != "b" {
		t.Errorf("observed %+v, stored %+v", a, d.keep.accepted[0])
	}
	mu.Lock()
	keys = []string{"newest"}
	mu.Unlock()
	if r := d.post(t, body, signedBy("new", body)...); r.code != 401 {
		t.Errorf("the old secret is answered %+v", r)
	}
	if r := d.post(t, body, signedBy("newest", body)...); r.code != 200 {
		t.Errorf("the newest secret is answered %+v", r)
	}
}

func TestEverySourceHasItsOwnPathSecretsAndMode(t *testing.T) {
	t.Parallel()
	d := open(t, intake.Options{Sources: []intake.Source{
		source(),
		{
			Name: "sandbox", Path: "/in/sandbox/", Mode: inbox.Test, Secrets: secrets("two"), Header: "Authorization", Algorithm: qoreid.SHA256,
			KeyBy: qoreid.ByReference, NoDedup: true, MaxBody: 200, Maps: []qoreid.Map{{CustomerReference: "/data/who"}},
		},
	}})
	text := `{"event":"x","data":{"who":"w"}}`
	sig := qoreid.Sign(qoreid.SHA256, []byte("two"), []byte(text))
	for _, path := range []string{"/in/sandbox", "/in/sandbox/"} {
		if r := d.do(t, d.request(t, http.MethodPost, path, text, "Authorization", sig)); r.code != 200 || r.Status != "stored" {
			t.Errorf("%s: %+v", path, r)
		}
	}
	a := d.keep.accepted[0]
	if a.Source != "sandbox" || a.Mode != inbox.Test || a.View.Key != "sandbox/ref:w" || !a.NoDedup {
		t.Errorf("stored %+v", a)
	}
	if r := d.post(t, text, "Authorization", sig); r.code != 401 || r.Error.Code != qoreid.Missing {
		t.Errorf("at the other source: %+v", r)
	}
	long := `{"a":"` + strings.Repeat("x", 200) + `"}`
	if r := d.do(t, d.request(t, http.MethodPost, "/in/sandbox", long)); r.code != 413 {
		t.Errorf("a long one: %+v", r)
	}
}

func TestOnlyWebhooksAreReceived(t *testing.T) {
	t.Parallel()
	d := open(t, intake.Options{})
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions} {
		if r := d.do(t, d.request(t, method, path, "")); r.code != 405 || r.header.Get("Allow") != "GET, HEAD, POST" || r.Error.Code != "method" {
			t.Errorf("%s: %+v", method, r)
		}
	}
	for range 4 {
		d.answer(t)
	}
	for _, elsewhere := range []string{"/", "/webhooks", "/webhooks/qoreid/more", "/webhooks/qore", "/webhooksqoreid"} {
		if r := d.do(t, d.request(t, http.MethodPost, elsewhere, body, signed(body)...)); r.code != 404 {
			t.Errorf("%s: %+v", elsewhere, r)
		}
		if a := d.answer(t); a.Code != 404 || a.Source != "" {
			t.Errorf("%s: observed %+v", elsewhere, a)
		}
	}
	if r := d.do(t, d.request(t, http.MethodGet, "/v1/status", "")); r.code != 404 || !strings.Contains(r.Error.Message, "admin address") {
		t.Errorf("an operator at the webhook address: %+v", r)
	}
	if r := d.do(t, d.request(t, http.MethodPost, path+"?from=dashboard", body, signed(body)...)); r.code != 200 {
		t.Errorf("with a query: %+v", r)
	}
}

func TestTheSenderIsAskedToTryAgainWhenTheStoreFails(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]error{
		"full": inbox.Errorf(inbox.Unavailable, "", "the queue is full"), "broken": io.ErrShortWrite,
	} {
		d := open(t, intake.Options{Keep: &memory{fail: fail}})
		for what, headers := range map[string][]string{"signed": signed(body), "unsigned": nil} {
			r := d.post(t, body, headers...)
			if r.code != 503 || r.header.Get("Retry-After") == "" || strings.Contains(r.Error.Message, fail.Error()) {
				t.Errorf("%s, %s: %+v", name, what, r)
			}
		}
	}
}

func TestTheWaitForTheStoreEnds(t *testing.T) {
	t.Parallel()
	d := open(t, intake.Options{Keep: &memory{gate: make(chan struct{})}, WaitTimeout: time.Millisecond})
	if r := d.post(t, body, signed(body)...); r.code != 503 || r.header.Get("Retry-After") == "" {
		t.Errorf("answered %+v", r)
	}
}
