package operator

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"inbox/inbox"
)

// LoopbackNames calls next only for requests whose Host is a name of the loopback interface, or name. Otherwise a web page in a
// browser on this machine could read the API on the loopback address through DNS rebinding. A request without a Host is
// served, because no browser sends one.
func LoopbackNames(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostName(r.Host)
		if host != "" && !strings.EqualFold(host, name) && !loopbackName(host) {
			writeProblem(w, inbox.Forbidden, inbox.Errorf(inbox.Forbidden, "", "this address answers only by a loopback name, such as localhost or 127.0.0.1").
				WithHint("a proxy in front of it must send such a name as Host; to be reached from elsewhere, listen on another address with --admin or --health"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostName returns a Host without its port and the brackets of an IPv6 address.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.TrimSuffix(host, ".")
}

// loopbackName reports whether a name always means this machine (RFC 6761, section 6.3).
func loopbackName(name string) bool {
	if a, err := netip.ParseAddr(name); err == nil {
		return a.Unmap().IsLoopback()
	}
	name = strings.ToLower(name)
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}
