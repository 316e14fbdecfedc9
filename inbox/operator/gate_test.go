package operator_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/inboxtest"
	"inbox/inbox/operator"
)

// gated is a rig behind a gate, with a clock.
type gated struct {
	*rig
	front http.Handler
	mu    sync.Mutex
	now   time.Time
}

func newGated(t *testing.T) *gated {
	g := &gated{rig: kept(t), now: time.Now()}
	g.front = operator.RequireToken(operator.Gate{File: "of-the-file", Tokens: g.store, Now: func() time.Time {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.now
	}}, operator.New(g.opt))
	return g
}

func (g *gated) pass(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now = g.now.Add(d)
}

// token makes a token and returns its secret.
func (g *gated) token(name string, scopes ...inbox.Scope) string {
	g.Helper()
	made, err := g.client.NewToken(g.Context(), api.TokenRequest{Name: name, Scopes: scopes})
	if err != nil {
		g.Fatal(err)
	}
	return made.Token
}

// ask sends a request with a token from an address and returns the answer.
func (g *gated) ask(method, path, token, from string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader("{}")).WithContext(g.Context())
	r.RemoteAddr = from
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	g.front.ServeHTTP(w, r)
	return w
}

const near = "192.0.2.1:4711"

func TestATokenMayDoWhatItsScopesSayAndNothingElse(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	kyc, all := g.token("kyc", inbox.StateScope("kyc")), g.token("all", inbox.ScopeState)
	read, admin, both := g.token("read", inbox.ScopeRead), g.token("admin", inbox.ScopeAdmin), g.token("both", inbox.ScopeRead, inbox.StateScope("crm"))
	const doc, other = "/v1/state/kyc/qoreid/workflow/7", "/v1/state/crm/cust/1"
	for _, c := range []struct {
		method, path string
		may          []string
	}{
		{"GET", doc, []string{kyc, all, read, admin, both}},
		{"GET", doc + "?at=1", []string{kyc, all, read, admin, both}},
		{"GET", doc + "?reveal=true", []string{kyc, all, admin}},
		{"GET", doc + "?reveal=TRUE", []string{kyc, all, admin}},
		{"GET", other, []string{all, read, admin, both}},
		{"GET", "/v1/state", []string{read, admin, both}},
		{"GET", "/v1/state-history/kyc/qoreid/workflow/7", []string{read, admin, both}},
		{"GET", "/v1/state-history/kyc/qoreid/workflow/7?reveal=true", []string{admin}},
		{"GET", "/v1/state-diff/kyc/qoreid/workflow/7", []string{read, admin, both}},
		{"GET", "/v1/status", []string{read, admin, both}},
		{"GET", "/v1/events", []string{read, admin, both}},
		{"GET", "/v1/events/1", []string{read, admin, both}},
		{"GET", "/v1/events/1?reveal=true", []string{admin}},
		{"GET", "/v1/events/1?reveal=false&reveal=true", []string{admin}},
		{"GET", "/v1/events/1/raw", []string{admin}},
		{"GET", "/v1/dead?reveal=true", []string{admin}},
		{"GET", "/v1/plugins", []string{read, admin, both}},
		{"GET", "/v1/audit", []string{read, admin, both}},
		{"GET", "/v1/tokens", []string{admin}},
		{"POST", "/v1/tokens", []string{admin}},
		{"POST", "/v1/tokens/nobody/revoke", []string{admin}},
		{"POST", "/v1/resume", []string{admin}},
		{"POST", "/v1/replays", []string{admin}},
		{"GET", "/v1/openapi.yaml", []string{kyc, all, read, admin, both}},
	} {
		for name, token := range map[string]string{"kyc": kyc, "all": all, "read": read, "admin": admin, "both": both} {
			w := g.ask(c.method, c.path, token, near)
			if may := w.Code != http.StatusForbidden; may != slices.Contains(c.may, token) || w.Code == http.StatusUnauthorized {
				t.Errorf("%s %s with the token %s: %d %s", c.method, c.path, name, w.Code, w.Body)
			}
			if w.Code == http.StatusForbidden && (!strings.Contains(w.Body.String(), "it needs the scope ") || !strings.Contains(w.Body.String(), `"hint":"`)) {
				t.Errorf("%s %s with the token %s does not name the scope: %s", c.method, c.path, name, w.Body)
			}
		}
	}
	for name, token := range map[string]string{"of the file": "of-the-file", "admin": admin} {
		if w := g.ask("GET", doc, token, near); w.Code != 200 || strings.Contains(w.Body.String(), secretName) {
			t.Errorf("the token %s shows a document in full without a reveal: %s", name, w.Body)
		}
	}
}

func TestATokenForStateReadsItInFullAndEachReadIsNotRecorded(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	kyc := g.token("kyc", inbox.StateScope("kyc"))
	for range 3 {
		w := g.ask("GET", "/v1/state/kyc/qoreid/workflow/7", kyc, near)
		var got api.State
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || !got.Revealed || !strings.Contains(string(got.Document), secretName) {
			t.Fatalf("%d %s %v", w.Code, w.Body, err)
		}
	}
	if list := g.reveals(); list != nil {
		t.Errorf("recorded: %q", list)
	}
	if log := g.audited(); len(log) != 1 || !strings.HasPrefix(log[0], "token new token kyc (state:kyc) by uid:") {
		t.Errorf("the audit log is %q", log)
	}
	g.store.Register(t.Context(), "kyd", inbox.StartFrom{})
	typo := g.token("typo", inbox.StateScope("kyz"))
	if w := g.ask("GET", "/v1/state/kyz/k", typo, near); w.Code != 404 || strings.Contains(w.Body.String(), "kyc") || strings.Contains(w.Body.String(), "kyd") {
		t.Errorf("an answer names other plugins: %s", w.Body)
	}
	inboxtest.Eventually(t, "the use is noted", func() bool {
		list, err := g.client.Tokens(t.Context())
		return err == nil && len(list) == 2 && list[0].UsedAt.Equal(g.now.Truncate(time.Hour).UTC())
	})
}

func TestATokenIsTheActorOfWhatItDoes(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	admin := g.token("ops", inbox.ScopeAdmin)
	if w := g.ask("GET", "/v1/events/1?reveal=true&reason=ticket", admin, near); w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	log, err := g.client.Audit(t.Context(), inbox.AuditFilter{Actor: "token:ops"})
	if err != nil || len(log) != 1 || log[0].Reason != "ticket" {
		t.Errorf("%+v %v", log, err)
	}
	_, err = g.client.Audit(t.Context(), inbox.AuditFilter{Actor: "token:nobody"})
	if err != nil {
		t.Errorf("an actor without entries: %v", err)
	}
}

func TestATokenIsShownOnceAndOnlyItsHashIsStored(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	secret := g.token("a", inbox.ScopeRead)
	if !strings.HasPrefix(secret, "inbox_") || len(secret) != len("inbox_")+64 || secret == g.token("b", inbox.ScopeRead) {
		t.Errorf("the token is %q", secret)
	}
	status, list := g.get("GET", "/v1/tokens", "")
	if status != 200 || strings.Contains(list, secret) || strings.Contains(list, `"token"`) {
		t.Errorf("%d %s", status, list)
	}
	if problems, err := g.store.Check(t.Context(), func(int64, int64) {}); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	copied := t.TempDir() + "/copy.db"
	if err := g.store.Backup(t.Context(), inbox.Actor{}, copied); err != nil {
		t.Fatal(err)
	}
	bytes, err := os.ReadFile(copied)
	if err != nil || len(bytes) == 0 || strings.Contains(string(bytes), strings.TrimPrefix(secret, "inbox_")) {
		t.Errorf("a backup has the token, or none was made: %v", err)
	}
}

func TestARevokedOrExpiredTokenOpensNothing(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	gone, kept := g.token("gone", inbox.ScopeRead), g.token("kept", inbox.ScopeRead)
	made, err := g.client.NewToken(t.Context(), api.TokenRequest{Name: "brief", Scopes: []inbox.Scope{inbox.ScopeRead}, ExpiresAt: g.now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{gone, kept, made.Token} {
		if w := g.ask("GET", "/v1/status", token, near); w.Code != 200 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if _, err := g.client.RevokeToken(t.Context(), "gone", "leaked"); err != nil {
		t.Fatal(err)
	}
	g.pass(2 * time.Hour)
	for token, want := range map[string]string{gone: "wrong or revoked", made.Token: "the token brief has expired", "": "needs the token"} {
		if w := g.ask("GET", "/v1/status", token, near); w.Code != 401 || !strings.Contains(w.Body.String(), want) || w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("want %q: %d %s", want, w.Code, w.Body)
		}
	}
	if w := g.ask("GET", "/v1/status", kept, near); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestAnAddressThatShowsManyWrongTokensIsAnsweredWithoutALookUp(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	used, fresh := g.token("used", inbox.ScopeRead), g.token("fresh", inbox.ScopeRead)
	if w := g.ask("GET", "/v1/status", used, near); w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	for i := range 20 {
		if w := g.ask("GET", "/v1/status", fmt.Sprintf("guess-%d", i), near); w.Code != 401 {
			t.Fatalf("guess %d: %d", i, w.Code)
		}
	}
	for token, want := range map[string]int{"guess": 429, strings.Repeat("x", 100_000): 429, fresh: 429, used: 200, "of-the-file": 200, "": 401} {
		w := g.ask("GET", "/v1/status", token, near)
		if w.Code != want || want == 429 && w.Header().Get("Retry-After") == "" {
			t.Errorf("%.10s: %d %s, want %d", token, w.Code, w.Body, want)
		}
	}
	for from, want := range map[string]int{"192.0.2.2:1": 401, "[2001:db8::1]:1": 401, "?": 401} {
		if w := g.ask("GET", "/v1/status", "guess", from); w.Code != want {
			t.Errorf("%s: %d", from, w.Code)
		}
	}
	for i := range 20 { // one network of 64 bits is one client
		g.ask("GET", "/v1/status", "guess", fmt.Sprintf("[2001:db8::%d]:1", i))
	}
	if w := g.ask("GET", "/v1/status", "guess", "[2001:db8::ffff]:1"); w.Code != 429 {
		t.Errorf("another address of the network: %d", w.Code)
	}
	g.pass(time.Minute)
	if w := g.ask("GET", "/v1/status", fresh, near); w.Code != 200 {
		t.Errorf("a minute later: %d %s", w.Code, w.Body)
	}
}

func TestATokenHasABoundOfRequestsAtTheSameTime(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	busy, other := g.token("busy", inbox.ScopeRead), g.token("other", inbox.ScopeRead)
	srv := httptest.NewServer(g.front)
	defer srv.Close()
	var streams []io.Closer
	for range 16 {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"/v1/events/stream", nil)
		r.Header.Set("Authorization", "Bearer "+busy)
		resp, err := srv.Client().Do(r)
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
		streams = append(streams, resp.Body)
	}
	if w := g.ask("GET", "/v1/status", busy, near); w.Code != 429 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("beyond the bound: %d %s", w.Code, w.Body)
	}
	for _, token := range []string{other, "of-the-file"} {
		if w := g.ask("GET", "/v1/status", token, near); w.Code != 200 {
			t.Errorf("another token: %d %s", w.Code, w.Body)
		}
	}
	streams[0].Close()
	inboxtest.Eventually(t, "an ended stream makes room", func() bool { return g.ask("GET", "/v1/status", busy, near).Code == 200 })
	for _, s := range streams[1:] {
		s.Close()
	}
}
