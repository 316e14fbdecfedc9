package egress

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"inbox/inbox"
)

// The bounds of the headers of a request.
const (
	maxHeaders     = 64       // lines, those of secrets included
	maxHeaderBytes = 32 << 10 // names and values together
)

// framing lists headers that belong to the connection or say where a message ends (RFC 9110, sections 7.2, 7.6.1, 7.8, 8.6 and
// 10.1.1; RFC 9112, section 6.1; RFC 9113, section 8.2.2). net/http sets those that are needed. All names that begin with Proxy-
// belong to them.
var framing = []string{
	"Connection", "Content-Length", "Expect", "Host", "Http2-Settings", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// own lists headers that the program sets.
var own = []string{idempotencyHeader, "User-Agent", standardID, standardTime, standardSignature, qoreidSignature}

const idempotencyHeader = "Idempotency-Key"

// headerName returns the canonical form of a header name. It refuses names that are no token (Invalid), and names that a plugin
// may not set (Forbidden, ErrHeader).
func headerName(name string) (string, error) {
	if name == "" || strings.IndexFunc(name, notInToken) >= 0 {
		return "", inbox.Errorf(inbox.Invalid, "", "header %s: the name has a character that no header name may have", quoted(name))
	}
	name = textproto.CanonicalMIMEHeaderKey(name)
	switch {
	case slices.Contains(framing, name) || strings.HasPrefix(name, "Proxy-"):
		return "", inbox.Errorf(inbox.Forbidden, "", "%w: %s belongs to the connection", ErrHeader, name).WithHint("leave it out: it is set as the request needs it")
	case slices.Contains(own, name):
		return "", inbox.Errorf(inbox.Forbidden, "", "%w: %s is set by this program", ErrHeader, name).WithHint("leave it out")
	}
	return name, nil
}

// notInToken reports a character that a token must not have (RFC 9110, section 5.6.2).
func notInToken(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return r > 0x7f || !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// validValue reports whether a value can be sent as one line (RFC 9110, section 5.5): no control character but the tab.
func validValue(value string) bool {
	for i := range len(value) {
		if b := value[i]; (b < ' ' && b != '\t') || b == 0x7f {
			return false
		}
	}
	return true
}

// addHeaders adds the plugin's own headers. Values never appear in an error.
func addHeaders(to http.Header, headers []inbox.Header) error {
	size := 0
	for _, h := range headers {
		name, err := headerName(h.Name)
		if err != nil {
			return err
		}
		if !validValue(h.Value) {
			return inbox.Errorf(inbox.Invalid, "", "header %s: the value has a line break or another control character", name)
		}
		if _, set := to[name]; set && (name == "Content-Type" || name == "Authorization") {
			return inbox.Errorf(inbox.Invalid, "", "header %s occurs twice", name)
		}
		to[name] = append(to[name], h.Value)
		size += len(h.Name) + len(h.Value)
	}
	return boundHeaders(len(headers), size)
}

func boundHeaders(lines, size int) error {
	if lines > maxHeaders || size > maxHeaderBytes {
		return inbox.Errorf(inbox.Invalid, "", "it has %d headers of %d bytes, more than %d or %d", lines, size, maxHeaders, maxHeaderBytes)
	}
	return nil
}

// addOriginal adds the headers of a stored event. They were received from outside, so they are checked too.
func addOriginal(to http.Header, headers []inbox.Header) error {
	for _, h := range headers {
		name := textproto.CanonicalMIMEHeaderKey(h.Name)
		if _, set := to[name]; set {
			return inbox.Errorf(inbox.Forbidden, "", "%w: %s is the stored event's", ErrHeader, name).WithHint("leave it out, or send without raw")
		}
		if h.Name == "" || strings.IndexFunc(h.Name, notInToken) >= 0 || !validValue(h.Value) || slices.Contains(framing, name) {
			return inbox.Errorf(inbox.Invalid, "", "the stored event's header %s cannot be sent", quoted(h.Name))
		}
		to[name] = []string{h.Value}
	}
	return nil
}

// dropBody removes the headers of a body that is not sent on after a redirect.
func dropBody(from http.Header) {
	for name := range from {
		if strings.HasPrefix(name, "Content-") || slices.Contains(own, name) && name != idempotencyHeader && name != "User-Agent" {
			delete(from, name)
		}
	}
}

// keptHeaders lists the response headers that are kept, sorted: the content's kind, the validators of conditional requests, where
// to go on, when to try again, and ids for the receiver's support. Cookies and all others are dropped.
var keptHeaders = []string{
	"Content-Encoding", "Content-Type", "Date", "Etag", "Last-Modified", "Link", "Location", "Ratelimit", "Ratelimit-Policy",
	"Request-Id", "Retry-After", "Www-Authenticate", "X-Correlation-Id", "X-Ratelimit-Limit", "X-Ratelimit-Remaining",
	"X-Ratelimit-Reset", "X-Request-Id",
}

// The bounds of the kept headers.
const (
	maxKeptLines = 4       // lines of one name
	maxKeptValue = 2 << 10 // bytes of a value; a longer one is dropped, since a part of it would mislead
)

// keep returns the kept headers of a response, with names in lower case and without secrets.
func keep(from http.Header, m *mask) (kept []inbox.Header) {
	for _, name := range keptHeaders {
		values := from[name]
		for _, value := range values[:min(len(values), maxKeptLines)] {
			if len(value) <= maxKeptValue {
				kept = append(kept, inbox.Header{Name: strings.ToLower(name), Value: string(m.hide([]byte(value), len(value)))})
			}
		}
	}
	return kept
}

// secretHeader is a header with a secret in it, which follows a redirect only to origins that all of its secrets were granted for.
type secretHeader struct {
	name    string
	value   func() string // a closure, as in Secret
	secrets []Secret
	ofBody  bool // it signs the body, and is dropped with it
}
