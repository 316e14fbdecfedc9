package egress

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"inbox/inbox"
)

// MaxHops is how many redirects of one request are followed. The answer after them is final, whatever it is.
const MaxHops = 5

// exchange is one request on its way. With a redirect, it changes to the next hop.
type exchange struct {
	method string
	url    *url.URL
	origin Origin      // of url
	header http.Header // without secrets
	secret []secretHeader
	known  []Secret // by a hop before, or by this one: also those that a redirect dropped
	body   []byte
	hops   int
	trace  *trace // of this hop

	proxied bool // this hop goes through a proxy
}

// Methods lists the methods that a plugin may use.
func Methods() []string {
	return []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
}

// Check reports everything about a request that can be known before it is sent: method, url, origin, headers, secrets,
// size and signature. It opens no socket. The errors are those of [Client.Do].
func (c *Client) Check(call Call) error {
	_, err := c.prepare(&call)
	return err
}

// Do sends a request and returns its final response. Do ends when ctx ends, and after the call's time at the latest. An error is
// an [inbox.Error], see the package's comment. A response of any status is no error. A request is sent again by itself only when
// a kept connection turned out to be closed before the receiver answered, and only if it is safe (GET, HEAD) or has an
// idempotency key.
func (c *Client) Do(ctx context.Context, call Call) (*inbox.Response, error) {
	x, err := c.prepare(&call)
	if err != nil {
		return nil, err
	}
	if c.closed.Load() {
		return nil, x.fail(inbox.Errorf(inbox.Unavailable, "", "the client is closed"))
	}
	limit := call.Time
	or(&limit, c.opt.Limits.Time)
	began := time.Now()
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answer, err := c.follow(timed, x)
	if err != nil {
		return nil, x.fail(x.explain(ctx, timed, limit, c.opt.Limits, err))
	}
	answer.Duration = time.Since(began)
	return answer, nil
}

// prepare checks a call and makes an exchange of it.
func (c *Client) prepare(call *Call) (*exchange, error) {
	r := &call.Request
	x := &exchange{method: r.Method, header: http.Header{}, body: r.Body}
	if !slices.Contains(Methods(), r.Method) {
		e := inbox.Errorf(inbox.Invalid, "request", "the method %s is not one of %s", quoted(r.Method), strings.Join(Methods(), ", "))
		return nil, e.WithHint("write the method in capitals")
	}
	for _, step := range []func() error{
		func() error { return x.address(r.URL) },
		func() error { return c.grant.denies(x.origin) },
		func() error { return c.checkBody(r) },
		func() error { return addHeaders(x.header, r.Headers) },
		func() error { return addOriginal(x.header, call.Original) },
		func() error { return c.addOwn(x, call.IdempotencyKey) },
		func() error { return c.addSecrets(x, r.Secrets) },
		func() error { return c.sign(x, r.Sign, call.IdempotencyKey, time.Now()) },
		x.checkCoding,
	} {
		if err := step(); err != nil {
			return nil, x.fail(err)
		}
	}
	return x, nil
}

// address reads the url of a request. Errors never show it: it may have credentials, and personal data in its query.
func (x *exchange) address(text string) error {
	if len(text) > maxURL {
		return inbox.Errorf(inbox.Invalid, "", "the url has %d bytes, more than %d", len(text), maxURL)
	}
	for i := range len(text) {
		if b := text[i]; b <= ' ' || b >= 0x7f || b == '\\' {
			return inbox.Errorf(inbox.Invalid, "", "the url has a space, a backslash, a control character or one that is not ASCII (byte %d)", i+1).WithHint(
				"percent-encode it; write a host name in punycode")
		}
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "":
		return inbox.Errorf(inbox.Invalid, "", "the url cannot be read").WithHint("write it in full, as in https://api.example.com/path?query")
	case u.User != nil:
		return inbox.Errorf(inbox.Invalid, "", "the url has a user name").WithHint("put credentials into the request's secrets")
	}
	o, err := originOf(u)
	if err != nil {
		return inbox.Errorf(inbox.Invalid, "", "the url: %w", err)
	}
	u.Scheme, u.Host, u.Fragment, u.RawFragment = o.scheme, o.authority(), "", ""
	x.url, x.origin = u, o
	return nil
}

func (c *Client) checkBody(r *inbox.Request) error {
	switch n := int64(len(r.Body)); {
	case n > c.opt.Limits.RequestBody:
		return inbox.Errorf(inbox.Invalid, "", "the body has %d bytes, more than %d", n, c.opt.Limits.RequestBody)
	case n > 0 && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		return inbox.Errorf(inbox.Invalid, "", "%s has a body", r.Method).WithHint("receivers and proxies drop or refuse it (RFC 9110, section 9.3.1); use POST")
	}
	return nil
}

// checkCoding refuses a request with secrets that asks for a content coding: secrets could not be found in the response.
func (x *exchange) checkCoding() error {
	if len(x.known) == 0 || slices.Equal(x.header["Accept-Encoding"], []string{"identity"}) {
		return nil
	}
	return inbox.Errorf(inbox.Forbidden, "", "%w: Accept-Encoding, in a request with secrets", ErrHeader).WithHint(
		"leave it out: secrets are masked in the response, and would not be found in a compressed one")
}

// addOwn adds the headers that the program sets.
func (c *Client) addOwn(x *exchange, key string) error {
	x.header["User-Agent"] = []string{c.opt.UserAgent}
	if _, set := x.header["Accept-Encoding"]; !set {
		x.header["Accept-Encoding"] = []string{"identity"}
	}
	if key == "" {
		return nil
	}
	if len(key) > 255 || strings.IndexFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 {
		return inbox.Errorf(inbox.Internal, "", "the idempotency key is not 1 to 255 visible ASCII characters")
	}
	x.header[idempotencyHeader] = []string{key}
	return nil
}

// follow sends an exchange and, where redirects are granted, what follows from the answers.
func (c *Client) follow(ctx context.Context, x *exchange) (*inbox.Response, error) {
	for {
		resp, err := c.roundTrip(x.request(ctx), x)
		if err != nil {
			return nil, err
		}
		next := ""
		if c.grant.Redirects && x.hops < MaxHops {
			next = redirect(resp)
		}
		if next == "" {
			return c.read(x, resp)
		}
		drain(resp.Body)
		if err := c.hop(x, resp.StatusCode, next); err != nil {
			return nil, err
		}
	}
}

// drain reads the short body of a redirect, so that its connection can be used again, and closes it.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 4<<10) // what fails here fails again where it matters
	_ = body.Close()
}

// request makes the request of one hop.
func (x *exchange) request(ctx context.Context) *http.Request {
	x.trace = &trace{}
	req := (&http.Request{Method: x.method, URL: x.url, Host: x.url.Host, Header: x.header.Clone()}).WithContext(x.trace.with(ctx))
	for _, h := range x.secret {
		req.Header[h.name] = []string{h.value()}
	}
	if body := x.body; len(body) > 0 {
		req.ContentLength = int64(len(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		req.Body, _ = req.GetBody() // it never fails
	} else if x.method != http.MethodGet && x.method != http.MethodHead {
		req.Body = http.NoBody // Content-Length: 0
	}
	return req
}

// read reads the final response, at most the limit of bytes and what a secret at the limit needs to be masked.
func (c *Client) read(x *exchange, resp *http.Response) (*inbox.Response, error) {
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 599 {
		return nil, inbox.Errorf(inbox.Unavailable, "", "the response has the status %d, which ends no exchange", resp.StatusCode)
	}
	m := maskOf(x.known)
	answer := &inbox.Response{Status: resp.StatusCode, Headers: keep(resp.Header, m), Hops: x.hops}
	if !x.proxied {
		answer.Family = x.trace.peer()
	}
	if !m.empty() && encoded(resp.Header) {
		answer.Cut = true // a secret in it would not be found
		return answer, nil
	}
	limit := int(c.opt.Limits.ResponseBody)
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(limit+1+m.longest())))
	if err != nil {
		return nil, err
	}
	masked := m.hide(body, limit)
	answer.Cut = len(body) > limit || len(masked) > limit
	answer.Body = masked[:min(len(masked), limit):min(len(masked), limit)]
	return answer, nil
}

// encoded reports whether a body has a content coding, such as gzip.
func encoded(h http.Header) bool {
	return slices.ContainsFunc(h["Content-Encoding"], func(value string) bool { return value != "" && !strings.EqualFold(value, "identity") })
}
