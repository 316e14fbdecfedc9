package egress

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"inbox/inbox"
)

func TestAnExchangeThatIsPrintedShowsNoSecret(t *testing.T) {
	t.Parallel()
	const value = "tok3n-of-the-operator"
	to, err := ParseOrigin("http://api.test")
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Grant{Allow: []Origin{to}}, Options{Secret: func(name string) (Secret, bool) { return NewSecret(name, value, []Origin{to}), true }})
	if err != nil {
		t.Fatal(err)
	}
	x, err := c.prepare(&Call{Request: inbox.Request{Method: "GET", URL: "http://api.test", Secrets: map[string]string{"A": "{{secret.a}}"}}})
	if err != nil || x.request(t.Context()).Header.Get("A") != value {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%t"} {
		for _, v := range []any{x, *x, x.secret, x.secret[0]} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, value) {
				t.Errorf("%s of %T: %s", verb, v, text)
			}
		}
	}
}

// FuzzWire checks that a request that passes is exactly one request on the wire, with the headers that were asked for and no
// others, and with no secret outside its header.
func FuzzWire(f *testing.F) {
	f.Add("POST", "/a?b=c", "X-Own", "value", "Authorization", "Bearer {{secret.token}}", "body")
	f.Add("GET", "/ HTTP/1.1\r\nX: y", "Host", "evil", "X-Key", "{{secret.token}}\r\nX: y", "")
	f.Add("PUT", "//evil/%0d%0aX:y?{{secret.token}}#f", "x y", "\x00", "Content-Length", "{{secret.token}}{{secret.token}}", "GET / HTTP/1.1\r\n\r\n")
	const value = "tok3n-of-the-operator"
	to, err := ParseOrigin("http://api.test")
	if err != nil {
		f.Fatal(err)
	}
	secret := NewSecret("token", value, []Origin{to})
	c, err := New(Grant{Allow: []Origin{to}}, Options{Secret: func(name string) (Secret, bool) { return secret, name == "token" }})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, path, name, text, secretName, template, body string) {
		if strings.Contains(path+name+text+template+body, value) {
			return
		}
		x, err := c.prepare(&Call{IdempotencyKey: "key", Request: inbox.Request{
			Method: method, URL: "http://api.test" + path, Headers: []inbox.Header{{Name: name, Value: text}},
			Secrets: map[string]string{secretName: template}, Body: []byte(body),
		}})
		if err != nil {
			if strings.Contains(err.Error()+inbox.HintOf(err), value) {
				t.Fatal(err)
			}
			return
		}
		var wire bytes.Buffer
		if err := x.request(t.Context()).Write(&wire); err != nil {
			t.Fatalf("net/http refuses what passed: %v", err)
		}
		if n := strings.Count(wire.String(), value); n != strings.Count(template, "{{secret.token}}") {
			t.Fatalf("the secret occurs %d times in %q", n, wire.String())
		}
		r := bufio.NewReader(&wire)
		got, err := http.ReadRequest(r)
		if err != nil {
			t.Fatal(err)
		}
		sent, err := io.ReadAll(got.Body)
		if err != nil || string(sent) != body || r.Buffered() != 0 || got.Host != "api.test" || got.Method != method {
			t.Fatalf("%s %s %q, %v, %d bytes more", got.Method, got.Host, sent, err, r.Buffered())
		}
		want := []string{"Accept-Encoding", "Content-Length", "Idempotency-Key", "User-Agent", http.CanonicalHeaderKey(name), http.CanonicalHeaderKey(secretName)}
		for header := range got.Header {
			if !slices.Contains(want, header) {
				t.Fatalf("header %s of %q", header, got.Header)
			}
		}
	})
}
