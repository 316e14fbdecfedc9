package intake_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"inbox/inbox/intake"
	"inbox/inbox/qoreid"
)

// from sends a request without a network, so that its address can be chosen.
func from(h http.Handler, remote, body, sig string, forwarded ...string) int {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.RemoteAddr = remote
	r.Header.Set(qoreid.DefaultHeader, sig)
	for _, f := range forwarded {
		r.Header.Add("X-Forwarded-For", f)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func TestTheClientsAddressIsTakenFromTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("fe80::/10")}
	for name, c := range map[string]struct {
		remote    string
		forwarded []string
		want      string
	}{
		"no proxy":                          {"192.0.2.1:5", nil, "192.0.2.1"},
		"a stranger says who he is":         {"192.0.2.1:5", []string{"198.51.100.9"}, "192.0.2.1"},
		"a proxy":                           {"10.1.1.1:5", []string{"198.51.100.9"}, "198.51.100.9"},
		"a proxy that says nothing":         {"10.1.1.1:5", nil, "10.1.1.1"},
		"a client behind a proxy who lies":  {"10.1.1.1:5", []string{"203.0.113.7, 198.51.100.9"}, "198.51.100.9"},
		"two proxies":                       {"10.1.1.1:5", []string{"203.0.113.7", "198.51.100.9, 10.2.2.2"}, "198.51.100.9"},
		"proxies all the way":               {"10.1.1.1:5", []string{"10.3.3.3, 10.2.2.2"}, "10.3.3.3"},
		"a proxy that adds ports":           {"10.1.1.1:5", []string{"198.51.100.9:4321"}, "198.51.100.9"},
		"a proxy that talks nonsense":       {"10.1.1.1:5", []string{"198.51.100.9, unknown"}, "10.1.1.1"},
		"an IPv4 address in IPv6's clothes": {"[::ffff:10.1.1.1]:5", []string{"::ffff:198.51.100.9"}, "198.51.100.9"},
		"IPv6":                              {"[fd00::1]:5", []string{"2001:db8::7"}, "2001:db8::7"},
		"IPv6 with a zone":                  {"[fe80::1%eth0]:5", []string{"[2001:db8::7]:88"}, "2001:db8::7"},
		"a Unix socket":                     {"@", []string{"198.51.100.9"}, ""},
	} {
		keep := &memory{}
		if code := from(intake.New(intake.Options{Sources: []intake.Source{source()}, Keep: keep, Proxies: proxies}), c.remote, body, "", c.forwarded...); code != 401 {
			t.Errorf("%s: answered %d", name, code)
		}
		if got := keep.refused[0].Address; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
