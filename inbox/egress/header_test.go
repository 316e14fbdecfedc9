package egress_test

import (
	"net/http"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/egress"
)

func TestHeadersOfTheConnectionAndOfTheProgramAreDenied(t *testing.T) {
	t.Parallel()
	url, count := serve(t, answer(""))
	c := client(t, egress.Options{Secret: vault(t, url, "token", "abcdefgh")}, url)
	names := append([]string{"Proxy-Authorization", "Proxy-Connection", "proxy-x", "TE", "te", "HOST", "user-agent", "idempotency-key"}, egress.Framing...)
	for _, name := range append(names, egress.Own...) {
		fails(t, c, post(url, "x", inbox.Header{Name: name, Value: "1"}), inbox.Forbidden, egress.ErrHeader, http.CanonicalHeaderKey(name))
		call := post(url, "x")
		call.Request.Secrets = map[string]string{name: "{{secret.token}}"}
		fails(t, c, call, inbox.Forbidden, egress.ErrHeader, http.CanonicalHeaderKey(name))
	}
	if count() != 0 {
		t.Errorf("%d requests", count())
	}
}

func TestHeadersCannotBeSplitIntoMore(t *testing.T) {
	t.Parallel()
	url, count := serve(t, answer(""))
	c := client(t, egress.Options{Secret: vault(t, url, "token", "abcdefgh", "torn", "abcdefgh\r\nX-Evil: 1")}, url)
	for _, value := range []string{"a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rb", "a\x00b", "a\x7fb", "a\x0bb", "\n", "a\r\n\r\nGET /evil HTTP/1.1\r\n"} {
		err := fails(t, c, post(url, "x", inbox.Header{Name: "X-Plain", Value: value}), inbox.Invalid, nil, "X-Plain")
		if strings.Contains(err.Error(), "Evil") {
			t.Errorf("%v shows the value", err)
		}
		call := post(url, "x")
		call.Request.Secrets = map[string]string{"X-Secret": value + "{{secret.token}}"}
		fails(t, c, call, inbox.Invalid, nil, "X-Secret")
	}
	for _, name := range []string{"", " ", "X Y", "X:", "X\r\nEvil", "X\x00", "X-ü", "X(", "X\t", "(", ":authority"} {
		fails(t, c, post(url, "x", inbox.Header{Name: name, Value: "1"}), inbox.Invalid, nil, "header")
		call := post(url, "x")
		call.Request.Secrets = map[string]string{name: "{{secret.token}}"}
		fails(t, c, call, inbox.Invalid, nil, "header")
	}
	call := post(url, "x")
	call.Request.Secrets = map[string]string{"X-Secret": "{{secret.torn}}"}
	fails(t, c, call, inbox.Invalid, nil, "secret torn has a character")
	for _, key := range []string{"a\r\nb", "a b", "ü", strings.Repeat("x", 256)} {
		call := post(url, "x")
		call.IdempotencyKey = key
		fails(t, c, call, inbox.Internal, nil, "idempotency key")
	}
	if count() != 0 {
		t.Errorf("%d requests", count())
	}
}

func TestHeadersAreBoundedInNumberAndSize(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, answer(""))
	c := client(t, egress.Options{}, url)
	many := make([]inbox.Header, 64)
	for i := range many {
		many[i] = inbox.Header{Name: "X-Many", Value: "1"}
	}
	do(t, c, post(url, "x", many...))
	fails(t, c, post(url, "x", append(many, many[0])...), inbox.Invalid, nil, "65 headers")
	fails(t, c, post(url, "x", inbox.Header{Name: "X", Value: strings.Repeat("x", 32<<10)}), inbox.Invalid, nil, "bytes")
}

func TestAHeaderThatMustBeAloneIsRefusedTwice(t *testing.T) {
	t.Parallel()
	const url = "http://localhost:9000"
	c := client(t, egress.Options{Secret: vault(t, url, "token", "abcdefgh")}, url)
	twice := post(url, "x", inbox.Header{Name: "Content-Type", Value: "a/b"}, inbox.Header{Name: "content-type", Value: "c/d"})
	fails(t, c, twice, inbox.Invalid, nil, "Content-Type occurs twice")
	both := post(url, "x", inbox.Header{Name: "Authorization", Value: "x"})
	both.Request.Secrets = map[string]string{"authorization": "Bearer {{secret.token}}"}
	fails(t, c, both, inbox.Invalid, nil, "Authorization occurs twice")
	folded := post(url, "x")
	folded.Request.Secrets = map[string]string{"X-Key": "{{secret.token}}", "x-key": "{{secret.token}}"}
	fails(t, c, folded, inbox.Invalid, nil, "X-Key occurs twice")
}

func TestARawRequestHasTheEventsContentTypeAndSignature(t *testing.T) {
	t.Parallel()
	var got http.Header
	url, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header })
	c := client(t, egress.Options{}, url)
	call := post(url, "{}")
	call.Request.Raw = true
	call.Original = []inbox.Header{{Name: "content-type", Value: "application/json; charset=utf-8"}, {Name: "x-verifyme-signature", Value: "ab12"}}
	do(t, c, call)
	if got.Get("Content-Type") != "application/json; charset=utf-8" || got.Get("X-Verifyme-Signature") != "ab12" {
		t.Error(got)
	}
	call.Request.Headers = []inbox.Header{{Name: "Content-Type", Value: "text/plain"}}
	fails(t, c, call, inbox.Forbidden, egress.ErrHeader, "Content-Type is the stored event's")
	call.Request.Headers = nil
	call.Original = []inbox.Header{{Name: "Content-Type", Value: "a\r\nX-Evil: 1"}}
	fails(t, c, call, inbox.Invalid, nil, "cannot be sent")
}
