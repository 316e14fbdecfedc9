package intake

import (
	"net/http"
	"slices"
	"strings"

	"inbox/inbox"
)

// Bounds of what is kept of a request's headers.
const (
	maxHeaders     = 100
	maxHeaderBytes = 16 << 10 // names and values
	maxSignature   = 4 << 10  // of one line of the signature's header: thirty signatures
)

// keptHeaders returns the headers within bounds: first what a body is checked and read by, then the others by name, all
// in lower case. What exceeds the bounds is left out. Credentials are taken out: they are not QoreID's, and would
// outlive the request. The signature is kept, so that it can be checked again, even where a source has it in a header
// that otherwise holds credentials.
func keptHeaders(h http.Header, signature string) []inbox.Header {
	signature = http.CanonicalHeaderKey(signature)
	first := []string{signature, "Content-Encoding", "Content-Type"}
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return 2*order(first, a) - 2*order(first, b) + strings.Compare(a, b)
	})
	kept := make([]inbox.Header, 0, min(len(h), maxHeaders))
	left := maxHeaderBytes
	for _, name := range names {
		for _, v := range h[name] {
			if name != signature && secretHeader(name) {
				v = "(removed)"
			}
			if name == signature { // cut rather than left out: a request with a signature must not look like one without
				v = v[:min(len(v), maxSignature)]
			}
			if left -= len(name) + len(v); left < 0 || len(kept) == maxHeaders {
				return kept
			}
			kept = append(kept, inbox.Header{Name: headerName(name), Value: strings.ToValidUTF8(v, "\ufffd")})
		}
	}
	return kept
}

// order returns the place of a name in the list, or the list's end.
func order(list []string, name string) int {
	if i := slices.Index(list, name); i >= 0 {
		return i
	}
	return len(list)
}

// headerName is how a header's name is kept.
func headerName(name string) string { return strings.ToLower(name) }

func secretHeader(name string) bool {
	switch name {
	case "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie":
		return true
	}
	return false
}
