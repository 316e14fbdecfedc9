package intake

import (
	"net/http"
	"slices"
	"strings"

	"inbox/inbox"
)

// Bounds of the headers that are kept of a request.
const (
	maxHeaders     = 100
	maxHeaderBytes = 16 << 10 // names and values
	maxSignature   = 4 << 10  // of one line of the signature's header: thirty signatures
)

// keptHeaders returns the headers that are kept, within the bounds: first those needed to verify and read the body, then the
// others by name, all in lower case. Headers beyond the bounds are dropped. Credentials are removed: QoreID sends none, and
// they would outlive the request. The signature is kept, so that it can be verified again, even when its header is one that
// usually holds credentials.
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
			if name == signature { // cut rather than dropped: a request with a signature must not look like a request without one
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

// order returns the index of a name in the list, or the length of the list.
func order(list []string, name string) int {
	if i := slices.Index(list, name); i >= 0 {
		return i
	}
	return len(list)
}

// headerName returns a header's name as it is kept.
func headerName(name string) string { return strings.ToLower(name) }

func secretHeader(name string) bool {
	switch name {
	case "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie":
		return true
	}
	return false
}
