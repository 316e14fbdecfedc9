package host_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/egress"
	"inbox/inbox/host"
	"inbox/inbox/inboxtest"
)

const fetchSecret = "s3cret-of-the-operator"

// clientOf makes the clients of a test: they know one secret.
func clientOf(h *inbox.HTTP) (*egress.Client, error) {
	grant, origins, err := egress.GrantOf(h)
	if err != nil {
		return nil, err
	}
	return egress.New(grant, egress.Options{
		Limits: egress.Limits{ResponseBody: inbox.MaxFetchedBody},
		Secret: func(name string) (egress.Secret, bool) {
			return egress.NewSecret(name, fetchSecret, origins[name]), name == "crm"
		},
	})
}

// fetcher compiles the guest that fetches what its event says. grant changes its manifest.
func fetcher(t *testing.T, grant func(*inbox.Manifest)) *host.Program {
	t.Helper()
	h, err := host.New(context.Background(), host.Options{Client: clientOf, CacheDir: inboxtest.CompileCache()})
	if err != nil {
		t.Fatal(err)
	}
	m := inbox.Manifest{Emit: []string{"customer.*"}, Limits: inbox.Limits{Time: time.Minute}}
	grant(&m)
	m = m.WithDefaults(1)
	p, err := h.Compile(context.Background(), buildGo(t, "inbox/inbox/host/testdata/fetcher"), &m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close(context.Background())
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// asks are requests of the guest; end says how it ends.
type asks struct {
	Requests []asked
	End      string
}

type asked struct {
	Method, URL string
	Headers     map[string]string
	Secrets     map[string]string
	Body        []byte
	Raw         bool
}

func fetching(urls ...string) (a asks) {
	for _, url := range urls {
		a.Requests = append(a.Requests, asked{URL: url})
	}
	return a
}

// fetch makes an attempt, from a journal unless it is nil.
func fetch(t *testing.T, p *host.Program, j *inbox.Journal, a asks) inbox.Outcome {
	t.Helper()
	body, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	e, payload := event(inbox.Passed, string(body))
	out := p.Attempt(context.Background(), &inbox.Work{
		Event: e, Payload: payload, Delivery: inbox.Delivery{Plugin: "p", Seq: 5, Attempt: 1}, Journal: j, Now: e.ReceivedAt,
	})
	for i, f := range journal(&out) {
		if f.StartedAt.IsZero() || f.Digest == (inbox.FetchDigest{}) || f.Origin == "" || f.Again != (j != nil) || f.Ended == "" && len(f.Document) == 0 {
			t.Errorf("entry %d: %+v", i, f)
		}
	}
	return out
}

func journal(o *inbox.Outcome) []inbox.Fetched {
	if o.Effects == nil {
		return nil
	}
	return o.Effects.Journal
}

// private grants a server of a test.
func private(urls ...string) func(*inbox.Manifest) {
	return func(m *inbox.Manifest) { m.HTTP.Private = urls }
}

// counting is a server that counts the requests which answer handles.
func counting(t *testing.T, answer http.HandlerFunc) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	n := new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s, n
}

func TestAPluginAsksAServerAndRunsAgainFromItsJournal(t *testing.T) {
	t.Parallel()
	keys := map[string]bool{}
	s, n := counting(t, func(w http.ResponseWriter, r *http.Request) {
		keys[r.Header.Get("Idempotency-Key")] = true
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/500" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		fmt.Fprintf(w, `{"asked":"%s %s %s","n":%d}`, r.Method, r.URL.RequestURI(), body, len(keys))
	})
	p := fetcher(t, private(s.URL))
	if !p.Fetches() {
		t.Error("the program does not say that it fetches")
	}
	what := fetching(s.URL+"/a?b=c", s.URL+"/500", s.URL+"/a?b=c")
	what.Requests = append(what.Requests, asked{Method: "PUT", URL: s.URL + "/p", Body: []byte("x")})
	first := fetch(t, p, nil, what)
	const want = `200 {"asked":"GET /a?b=c ","n":1}
500 {"asked":"GET /500 ","n":2}
200 {"asked":"GET /a?b=c ","n":3}
200 {"asked":"PUT /p x","n":4}
`
	if first.Result != inbox.OK || string(first.Log) != want || n.Load() != 4 || len(keys) != 4 {
		t.Fatalf("%s (%s) after %d requests with %d keys, log %s", first.Result, first.Reason, n.Load(), len(keys), first.Log)
	}
	list := journal(&first)
	if len(list) != 4 || list[0].Status != 200 || list[1].Status != 500 || list[3].Method != "PUT" || list[0].URL != s.URL+"/a?b=c" || list[0].Origin != s.URL {
		t.Fatalf("journal %+v", list)
	}

	crashed := fetch(t, p, nil, what) // the same attempt, as after a crash
	if crashed.Result != inbox.OK || n.Load() != 8 || len(keys) != 4 {
		t.Errorf("an attempt that a crash repeats: %s, %d requests with %d keys", crashed.Result, n.Load(), len(keys))
	}

	s.Close()
	again := fetch(t, p, &inbox.Journal{Fetches: list}, what)
	if again.Result != inbox.OK || string(again.Log) != want || again.Fuel != first.Fuel || len(journal(&again)) != 4 || len(again.Effects.Emit) != 1 ||
		string(again.Effects.Emit[0].Body) != string(first.Effects.Emit[0].Body) {
		t.Errorf("from the journal: %s (%s), fuel %d and before %d, log %s", again.Result, again.Reason, again.Fuel, first.Fuel, again.Log)
	}
	if n.Load() != 8 {
		t.Errorf("a run from the journal asked the server")
	}
}

func TestAFetchThatIsNotInTheJournalIsAClearFailure(t *testing.T) {
	t.Parallel()
	s, n := counting(t, func(http.ResponseWriter, *http.Request) {})
	p := fetcher(t, private(s.URL))
	first := fetch(t, p, nil, fetching(s.URL+"/1"))
	for name, other := range map[string]asks{
		"another url": fetching(s.URL + "/2"), "once more": fetching(s.URL+"/1", s.URL+"/1"), "a body": {Requests: []asked{{Method: "POST", URL: s.URL + "/1", Body: []byte("x")}}},
		"a header": {Requests: []asked{{URL: s.URL + "/1", Headers: map[string]string{"X": "y"}}}},
	} {
		out := fetch(t, p, &inbox.Journal{Fetches: journal(&first)}, other)
		if out.Result != inbox.Reject || out.HostWords != len(out.Reason) || !strings.Contains(out.Reason, "not in the journal") || !strings.Contains(out.Reason, "--effects send") {
			t.Errorf("%s: %s (%s)", name, out.Result, out.Reason)
		}
	}
	if n.Load() != 1 {
		t.Errorf("%d requests", n.Load())
	}
}

func TestAFailedFetchIsAnAnswerWithAnError(t *testing.T) {
	t.Parallel()
	s, _ := counting(t, func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) })
	closed := httptest.NewServer(nil)
	closed.Close()
	p := fetcher(t, private(s.URL, closed.URL))
	out := fetch(t, p, nil, fetching(s.URL, closed.URL))
	lines := strings.Split(string(out.Log), "\n")
	if out.Result != inbox.OK || len(lines) != 3 || !strings.HasPrefix(lines[0], "0 GET "+s.URL) || !strings.Contains(lines[1], "connection refused") {
		t.Errorf("%s (%s), log %s", out.Result, out.Reason, out.Log)
	}
	list := journal(&out)
	if len(list) != 2 || list[0].Why == "" || list[1].Status != 0 {
		t.Fatalf("journal %+v", list)
	}
	if again := fetch(t, p, &inbox.Journal{Fetches: list}, fetching(s.URL, closed.URL)); string(again.Log) != string(out.Log) {
		t.Errorf("from the journal: %s", again.Log)
	}
}

func TestAFetchThatIsNotGrantedIsDenied(t *testing.T) {
	t.Parallel()
	other, n := counting(t, func(http.ResponseWriter, *http.Request) {})
	s, _ := counting(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) })
	local := strings.Replace(other.URL, "127.0.0.1", "localhost", 1) // a name of the public internet, as far as the grant knows
	p := fetcher(t, func(m *inbox.Manifest) {
		m.HTTP = inbox.HTTP{Private: []string{s.URL}, Allow: []string{local}, Redirects: true}
	})
	for name, c := range map[string]struct {
		a       asks
		says    string
		entries int
	}{
		"an origin":              {fetching("https://other.example.com/x"), "https://other.example.com, which is not granted; [http] allow", 0},
		"a redirect":             {fetching(s.URL), "redirect to " + other.URL, 1},
		"a private address":      {fetching(local), "the address is not allowed", 1},
		"a header of ours":       {asks{Requests: []asked{{URL: s.URL, Headers: map[string]string{"Host": "a"}}}}, "Host belongs to the connection", 0},
		"a secret of no grant":   {asks{Requests: []asked{{URL: s.URL, Secrets: map[string]string{"A": "{{secret.none}}"}}}}, "none is not granted", 0},
		"after an answer, too":   {fetching(s.URL+"/", "https://other.example.com/x"), "redirect", 1},
		"ending in a retry, too": {asks{Requests: fetching("https://other.example.com/x").Requests, End: "retry"}, "not granted", 0},
	} {
		out := fetch(t, p, nil, c.a)
		if out.Result != inbox.Denied || !strings.Contains(out.Reason, c.says) || len(journal(&out)) != c.entries {
			t.Errorf("%s: %s (%s), journal %+v", name, out.Result, out.Reason, journal(&out))
		}
		if c.entries == 1 {
			if again := fetch(t, p, &inbox.Journal{Fetches: journal(&out)}, c.a); again.Result != inbox.Denied || !strings.Contains(again.Reason, c.says) {
				t.Errorf("%s, from the journal: %s (%s)", name, again.Result, again.Reason)
			}
		}
	}
	if n.Load() != 0 {
		t.Errorf("%d requests reached a server that is not granted", n.Load())
	}
}

func TestASecretIsSentAndNeverInTheJournal(t *testing.T) {
	t.Parallel()
	got := ""
	s, _ := counting(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		w.Header().Set("X-Request-Id", got)
		fmt.Fprintf(w, "you sent %s", got)
	})
	p := fetcher(t, func(m *inbox.Manifest) {
		m.HTTP.Private = []string{s.URL}
		m.HTTP.Secrets = []inbox.SecretGrant{{Name: "crm", Value: "env:CRM", Origins: []string{s.URL}}}
	})
	out := fetch(t, p, nil, asks{Requests: []asked{{URL: s.URL, Secrets: map[string]string{"Authorization": "Bearer {{secret.crm}}"}}}})
	if out.Result != inbox.OK || got != "Bearer "+fetchSecret {
		t.Fatalf("%s (%s), sent %q", out.Result, out.Reason, got)
	}
	text := fmt.Sprintf("%+v %s %s", out, out.Log, journal(&out)[0].Document)
	if strings.Contains(text, fetchSecret) || !strings.Contains(text, "[secret crm]") {
		t.Errorf("%s", text)
	}
}

func TestTheJournalIsKeptWithEveryOutcome(t *testing.T) {
	t.Parallel()
	s, _ := counting(t, func(http.ResponseWriter, *http.Request) {})
	p := fetcher(t, private(s.URL))
	for end, want := range map[string]inbox.Result{"": inbox.OK, "retry": inbox.Retry, "panic": inbox.Exit} {
		a := fetching(s.URL)
		a.End = end
		if out := fetch(t, p, nil, a); out.Result != want || len(journal(&out)) != 1 || end != "" && len(out.Effects.Emit) > 0 {
			t.Errorf("%q: %s (%s), %+v", end, out.Result, out.Reason, out.Effects)
		}
	}
}

func TestARequestThatCannotBeSentIsAnErrorAndTheLogSaysWhy(t *testing.T) {
	t.Parallel()
	s, n := counting(t, func(http.ResponseWriter, *http.Request) {})
	p := fetcher(t, private(s.URL))
	out := fetch(t, p, nil, asks{Requests: []asked{
		{URL: "no url"}, {Method: "BREW", URL: s.URL}, {URL: s.URL, Raw: true}, {URL: s.URL, Headers: map[string]string{"A": "b\nc"}}, {Method: "GET", URL: s.URL, Body: []byte("x")},
	}})
	if log := string(out.Log); out.Result != inbox.OK || strings.Count(log, "not valid\n") != 5 || strings.Count(log, "inbox: http_fetch: the request ") != 5 || n.Load() > 0 {
		t.Errorf("%s (%s), log %s", out.Result, out.Reason, log)
	}
}

func TestAModuleThatFetchesNeedsAGrant(t *testing.T) {
	t.Parallel()
	_, err := newHost(t).Compile(context.Background(), buildGo(t, "inbox/inbox/host/testdata/fetcher"), limits())
	if inbox.KindOf(err) != inbox.Invalid || !strings.Contains(err.Error(), "it imports inbox_v1.http_fetch") || !strings.Contains(inbox.HintOf(err), `allow = ["https://api.example.com"]`) {
		t.Errorf("%v; hint %s", err, inbox.HintOf(err))
	}
}

func TestAHostWithoutAClientOpensNoConnection(t *testing.T) {
	t.Parallel()
	s, n := counting(t, func(http.ResponseWriter, *http.Request) {})
	m := limits()
	m.HTTP.Private = []string{s.URL}
	m.Limits.Memory = 64 << 20
	h, err := host.New(context.Background(), host.Options{CacheDir: inboxtest.CompileCache()})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close(context.Background())
	p, err := h.Compile(context.Background(), buildGo(t, "inbox/inbox/host/testdata/fetcher"), m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	if out := fetch(t, p, nil, fetching(s.URL)); out.Result != inbox.HostError || n.Load() > 0 || !strings.Contains(out.Reason, "opens no connections") {
		t.Errorf("%s (%s)", out.Result, out.Reason)
	}
}
