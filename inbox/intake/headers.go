package intake

import (
	"net/http"
	"slices"
	"strings"

	"inbox/inbox"
)

// Bounds of what is kept of a request's headers.
const (
	maxHeaders     = 256
	maxHeaderBytes = 64 << 10 // what the server takes
)

// keptHeaders returns the headers in the order of their names, lower case, within bounds. Credentials are taken out:
// they are not QoreID's, and would outlive the request. The signature is kept, so that it can be checked again.
func keptHeaders(h http.Header) []inbox.Header {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	kept := make([]inbox.Header, 0, len(names))
	room := maxHeaderBytes
	for _, name := range names {
		for _, v := range h[name] {
			if secretHeader(name) {
				v = "(removed)"
			}
			if room -= len(name) + len(v); room < 0 || len(kept) == maxHeaders {
				return kept
			}
			kept = append(kept, inbox.Header{Name: headerName(name), Value: strings.ToValidUTF8(v, "\ufffd")})
		}
	}
	return kept
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
