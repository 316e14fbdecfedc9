package intake_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

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

func TestOneAddressCannotFillTheQuarantine(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	unkept := 0
	keep := &memory{}
	h := intake.New(intake.Options{
		Sources: []intake.Source{source()}, Keep: keep, Now: func() time.Time { return now },
		Observe: func(a intake.Answer) {
			if a.Unkept {
				unkept++
			}
		},
	})
	send := func(times int, remote, body, sig string, want int) {
		t.Helper()
		keep.refused = nil
		unkept = 0
		for range times {
			if code := from(h, remote, body, sig); code != 401 {
				t.Fatalf("answered %d", code)
			}
		}
		if len(keep.refused) != want || unkept != times-want {
			t.Errorf("of %d from %s %d are kept and %d counted as not kept, want %d kept", times, remote, len(keep.refused), unkept, want)
		}
	}
	forged := qoreid.Sign("", []byte("other"), []byte(body))
	send(150, "192.0.2.1:1", body, "", 100)
	send(10, "192.0.2.1:2", body, "nonsense", 0)
	send(150, "192.0.2.2:1", body, "", 100)
	send(2100, "192.0.2.1:1", body, forged, 2000) // a mistyped secret looks like this: far more is kept
	send(100, "[2001:db8::1]:1", body, "", 100)
	send(10, "[2001:db8::2]:1", body, "", 0)    // the same network
	send(10, "[2001:db8:1::1]:1", body, "", 10) // another
	now = now.Add(7 * time.Second)
	send(10, "192.0.2.1:1", body, "", 7)
	send(10, "192.0.2.3:1", `"`+strings.Repeat("x", 1<<20)+`"`, "", 5) // a large one counts for many
	for range 3 {
		send(1, "192.0.2.4:1", `"`+strings.Repeat("x", 8<<20)+`"`, "", 1) // but never for more than all
		now = now.Add(100 * time.Second)
	}
	if code := from(h, "192.0.2.1:1", body, signed(body)[1]); code != 200 {
		t.Errorf("a signed body of the same address is answered %d", code)
	}
}

func TestStrangersAreForgottenButNotAtOnce(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	keep := &memory{}
	h := intake.New(intake.Options{Sources: []intake.Source{source()}, Keep: keep, Now: func() time.Time { return now }})
	address := func(i int) string { return "198.18." + strconv.Itoa(i>>8) + "." + strconv.Itoa(i&255) + ":1" }
	exhaust := func() int {
		keep.refused = nil
		for range 110 {
			from(h, "192.0.2.1:1", body, "")
		}
		return len(keep.refused)
	}
	if got := exhaust(); got != 100 {
		t.Fatalf("kept %d", got)
	}
	for i := range 5000 {
		from(h, address(i), body, "")
	}
	if got := exhaust(); got != 0 {
		t.Errorf("after 5000 others %d are kept", got)
	}
	for i := range 10_000 {
		from(h, address(i), body, "")
	}
	if got := exhaust(); got != 100 {
		t.Errorf("after 10000 others %d are kept", got)
	}
}
