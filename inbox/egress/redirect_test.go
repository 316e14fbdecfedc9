package egress_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/egress"
)

// follower returns a client that follows redirects between the private origins.
func follower(t *testing.T, opt egress.Options, private ...string) *egress.Client {
	t.Helper()
	g := grant(t, nil, private)
	g.Redirects = true
	return clientOf(t, g, opt)
}

// to answers with a redirect. The body is long enough to matter.
func to(status int, location string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Location", location)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, strings.Repeat("moved ", 1000))
	}
}

func TestWithoutTheGrantARedirectIsTheFinalResponse(t *testing.T) {
	t.Parallel()
	target, count := serve(t, answer("target"))
	url, _ := serve(t, to(307, target+"/x"))
	r := do(t, client(t, egress.Options{}, url, target), post(url, "x"))
	if r.Status != 307 || inbox.HeaderValue(r.Headers, "location") != target+"/x" || r.Hops != 0 || count() != 0 {
		t.Errorf("%d %v, %d hops, %d requests", r.Status, r.Headers, r.Hops, count())
	}
}

func TestRedirectsChangeTheMethodAsNetHTTPDoes(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	target, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	})
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.URL.Path[1:])
		to(status, target+"/end?x=1")(w, r)
	})
	c := follower(t, egress.Options{}, url, target)
	for _, method := range egress.Methods() {
		for _, status := range []int{301, 302, 303, 307, 308} {
			r := inbox.Request{Method: method, URL: fmt.Sprint(url, "/", status), Headers: []inbox.Header{{Name: "X-Own", Value: "1"}}}
			if method != "GET" && method != "HEAD" {
				r.Body, r.Headers = []byte("x"), append(r.Headers, inbox.Header{Name: "Content-Type", Value: "a/b"})
			}
			answer := do(t, c, egress.Call{Request: r, IdempotencyKey: "key"})
			if answer.Status != 200 || answer.Hops != 1 || got.URL.RawQuery != "x=1" || got.Header.Get("X-Own") != "1" || got.Header.Get("Idempotency-Key") != "key" {
				t.Fatalf("%s %d: %+v, %v", method, status, answer, got.Header)
			}
			want := standardLibrary(t, method, r.URL)
			kept := len(r.Body) > 0 && status >= 307
			if got := got.Method; got != want || string(body) != map[bool]string{true: "x"}[kept] {
				t.Errorf("%s %d: %s %q, net/http sends %s", method, status, got, body, want)
			}
			if typed := got.Header.Get("Content-Type") != ""; typed != kept || got.Header.Get("Referer") != "" {
				t.Errorf("%s %d: %v", method, status, got.Header)
			}
		}
	}
}

// standardLibrary returns the method with which net/http follows a redirect.
func standardLibrary(t *testing.T, method, url string) (got string) {
	t.Helper()
	c := http.Client{CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		got = r.Method
		return http.ErrUseLastResponse
	}}
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return got
}

func TestARedirectToAnOriginThatIsNotGrantedIsDenied(t *testing.T) {
	t.Parallel()
	secret, count := serve(t, answer("internal"))
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(secret, "http://"))
	for _, location := range []string{secret, secret + "/x?q=1", "//127.0.0.1:" + port, "http://localhost:" + port, "http://169.254.169.254/latest/meta-data/", "http://[::1]:" + port, "http://10.0.0.1"} {
		url, _ := serve(t, to(302, location))
		err := fails(t, follower(t, egress.Options{}, url), get(url), inbox.Forbidden, egress.ErrNotGranted, "redirect to http://")
		if !errors.Is(err, egress.ErrRedirect) {
			t.Errorf("%v is not told apart from the plugin's own wish", err)
		}
		if strings.Contains(err.Error(), "q=1") {
			t.Error(err)
		}
	}
	for _, location := range []string{"http://0x7f.1:" + port, "http://2130706433:" + port, "http://0177.0.0.1:" + port, "file:///etc/passwd", "gopher://x", "http://u:p@127.0.0.1:" + port, "http://[::ffff:127.0.0.1]:" + port, "http://%zz"} {
		url, _ := serve(t, to(302, location))
		fails(t, follower(t, egress.Options{}, url), get(url), inbox.Unavailable, nil, "redirects to a url that cannot be used")
	}
	if count() != 0 {
		t.Errorf("%d requests arrived", count())
	}
}

func TestARedirectToAGrantedNameWithAPrivateAddressIsDenied(t *testing.T) {
	t.Parallel()
	secret, count := serve(t, answer("internal"))
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(secret, "http://"))
	inside := "http://api.test:" + port
	url, _ := serve(t, to(307, inside))
	g := grant(t, []string{inside}, []string{url})
	g.Redirects = true
	c := clientOf(t, g, egress.Options{Resolver: names(t, func(string, int) []string { return []string{"127.0.0.1"} })})
	if err := fails(t, c, post(url, "x"), inbox.Forbidden, egress.ErrAddress, "loopback"); !errors.Is(err, egress.ErrRedirect) {
		t.Error(err)
	}
	if count() != 0 {
		t.Errorf("%d requests arrived", count())
	}
}

func TestSecretsLeaveWithTheOriginThatTheyAreBoundTo(t *testing.T) {
	t.Parallel()
	var second, third http.Header
	var home string
	away, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		second = r.Header.Clone()
		to(307, home+"/back")(w, r)
	})
	home, _ = serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/back" {
			third = r.Header.Clone()
			return
		}
		to(307, away)(w, r)
	})
	both := []egress.Origin{origin(t, home), origin(t, away)}
	secrets := map[string]egress.Secret{
		"here": egress.NewSecret("here", "only-for-home", both[:1]), "both": egress.NewSecret("both", "for-home-and-away", both),
		"key": egress.NewSecret("key", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", both[:1]),
	}
	c := follower(t, egress.Options{Secret: func(name string) (egress.Secret, bool) { s, ok := secrets[name]; return s, ok }}, home, away)
	call := post(home, "x", inbox.Header{Name: "Authorization", Value: "plain"}, inbox.Header{Name: "Cookie", Value: "a=b"}, inbox.Header{Name: "X-Own", Value: "1"})
	call.Request.Secrets = map[string]string{"X-Here": "{{secret.here}}", "X-Both": "{{secret.both}}", "X-Mixed": "{{secret.here}}{{secret.both}}"}
	call.Request.Sign = inbox.Signing{Scheme: inbox.SignStandard, Secret: "key"}
	call.IdempotencyKey = "key-1"
	if r := do(t, c, call); r.Hops != 2 {
		t.Fatalf("%d hops", r.Hops)
	}
	for _, got := range []http.Header{second, third} {
		for _, name := range []string{"X-Here", "X-Mixed", "Authorization", "Cookie", "Webhook-Signature", "Webhook-Id"} {
			if got.Get(name) != "" {
				t.Errorf("%s was sent on: %v", name, got)
			}
		}
		if got.Get("X-Both") != "for-home-and-away" || got.Get("X-Own") != "1" || got.Get("Idempotency-Key") != "key-1" {
			t.Error(got)
		}
	}
}

func TestASignatureIsDroppedWithItsBody(t *testing.T) {
	t.Parallel()
	var got http.Header
	var url string
	url, _ = serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			to(303, "/seen")(w, r)
			return
		}
		got = r.Header.Clone()
	})
	c := follower(t, egress.Options{Secret: vault(t, url, "token", token)}, url)
	call := post(url, "x")
	call.Request.Secrets = map[string]string{"Authorization": "Bearer {{secret.token}}"}
	call.Request.Sign = inbox.Signing{Scheme: inbox.SignQoreID, Secret: "token"}
	do(t, c, call)
	if got.Get("Authorization") != "Bearer "+token || got.Get("X-Verifyme-Signature") != "" {
		t.Error(got)
	}
}

func TestAfterFiveRedirectsTheAnswerIsFinal(t *testing.T) {
	t.Parallel()
	url, count := serve(t, to(302, "/again"))
	r := do(t, follower(t, egress.Options{}, url), get(url))
	if r.Status != 302 || r.Hops != egress.MaxHops || count() != egress.MaxHops+1 {
		t.Errorf("%d after %d hops and %d requests", r.Status, r.Hops, count())
	}
}

func TestARedirectWithoutALocationIsFinal(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(302)
	})
	if r := do(t, follower(t, egress.Options{}, url), get(url)); r.Status != 302 || r.Hops != 0 {
		t.Errorf("%+v", r)
	}
}
