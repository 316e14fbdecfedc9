package egress_test

import (
	"net/url"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/egress"
)

func TestAnOriginHasOneSpelling(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://api.example.com":         "https://api.example.com",
		"HTTPS://API.Example.COM":         "https://api.example.com",
		"https://api.example.com.":        "https://api.example.com",
		"https://api.example.com:443":     "https://api.example.com",
		"https://api.example.com:":        "https://api.example.com",
		"http://api.example.com:80":       "http://api.example.com",
		"http://api.example.com:443":      "http://api.example.com:443",
		"https://api.example.com:8443":    "https://api.example.com:8443",
		"https://xn--bcher-kva.example":   "https://xn--bcher-kva.example",
		"http://crm_db:9000":              "http://crm_db:9000",
		"http://localhost":                "http://localhost",
		"http://127.0.0.1.":               "http://127.0.0.1",
		"https://[2001:DB8:0:0:0:0:0:1]":  "https://[2001:db8::1]",
		"https://[2001:db8::1]:8443":      "https://[2001:db8::1]:8443",
		"https://1.2.3.4.example.com:444": "https://1.2.3.4.example.com:444",
	} {
		o, err := egress.ParseOrigin(text)
		if err != nil || o.String() != want {
			t.Errorf("%q is %q, %v; want %q", text, o, err, want)
		}
		if again, err := egress.ParseOrigin(o.String()); err != nil || again != o {
			t.Errorf("%q reads back as %q, %v", o, again, err)
		}
	}
}

func TestTextsThatAreNoOriginAreRefusedWithAHint(t *testing.T) {
	t.Parallel()
	for text, why := range map[string]string{
		"":                                             "empty",
		"api.example.com":                              "no scheme",
		"ftp://api.example.com":                        "neither http nor https",
		"file:///etc/passwd":                           "neither http nor https",
		"https://":                                     "no host",
		"https://.":                                    "no host",
		"https://:443":                                 "no host",
		"https://api.example.com/":                     "path",
		"https://api.example.com/v1":                   "path",
		"https://api.example.com?x=1":                  "query",
		"https://api.example.com#x":                    "fragment",
		`https://api.example.com\@evil.test`:           "user name",
		`https://api.example.com\x`:                    "path",
		"https://user:pw@api.example.com":              "user name",
		"https://*.example.com":                        "pattern",
		"https://api..example.com":                     "not a name",
		"https://-api.example.com":                     "not a name",
		"https://api.example.com:0":                    "port",
		"https://api.example.com:65536":                "port",
		"https://api.example.com:0443":                 "port",
		"https://api.example.com:x":                    "not a url",
		"https://bücher.example":                       "ASCII",
		"https://１２７.0.0.1":                            "ASCII",
		"https://[fe80::1%25eth0]":                     "zone",
		"https://[::ffff:10.0.0.1]":                    "IPv4 written as IPv6",
		"https://[::1":                                 "not a url",
		"http://0x7f.1":                                "ends in a number",
		"http://0X7F000001":                            "ends in a number",
		"http://2130706433":                            "ends in a number",
		"http://0177.0.0.1":                            "ends in a number",
		"http://127.1":                                 "ends in a number",
		"http://127.0.0.0x1":                           "ends in a number",
		"http://0x":                                    "ends in a number",
		"http://256.0.0.1":                             "ends in a number",
		"http://1.2.3.4.5":                             "ends in a number",
		"https://" + strings.Repeat("a", 64):           "not a name",
		"https://" + strings.Repeat("a.", 127) + "com": "253",
		"https://" + strings.Repeat("a", 400):          "bytes",
	} {
		o, err := egress.ParseOrigin(text)
		switch {
		case err == nil:
			t.Errorf("%q was read as %s", text, o)
		case inbox.KindOf(err) != inbox.Invalid || inbox.HintOf(err) == "" || !strings.Contains(err.Error(), why):
			t.Errorf("%q: %v (hint %q), want %q", text, err, inbox.HintOf(err), why)
		}
	}
}

func TestAGrantNamesEverythingThatIsWrongAtOnce(t *testing.T) {
	t.Parallel()
	_, err := egress.ParseGrant(
		[]string{"https://10.0.0.5", "api.example.com", "https://[fd00::1]:8443"},
		[]string{"http://0.0.0.0:9000", "http://224.0.0.1"})
	if inbox.KindOf(err) != inbox.Invalid {
		t.Fatal(err)
	}
	for _, want := range []string{
		"allow: origin https://10.0.0.5: its address is not public: private (RFC 1918)", `origin "api.example.com": it has no scheme`,
		"https://[fd00::1]:8443", "private: origin http://0.0.0.0:9000: its address cannot be granted", "multicast",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	_, err = egress.ParseGrant([]string{"https://10.0.0.5"}, nil)
	if hint := inbox.HintOf(err); !strings.Contains(hint, `private = ["https://10.0.0.5"]`) {
		t.Errorf("hint %q", hint)
	}
}

func TestAnOriginIsGrantedOnlyWithSchemeHostAndPort(t *testing.T) {
	t.Parallel()
	g := grant(t, []string{"https://api.example.com"}, []string{"http://10.0.0.5:8080"})
	for text, want := range map[string]bool{
		"https://api.example.com": true, "https://API.example.com.:443": true, "http://10.0.0.5:8080": true,
		"http://api.example.com": false, "https://api.example.com:8443": false, "https://example.com": false,
		"https://x.api.example.com": false, "https://10.0.0.5:8080": false, "http://10.0.0.5": false,
	} {
		if got := g.Has(origin(t, text)); got != want {
			t.Errorf("%s: granted %v", text, got)
		}
	}
	c := clientOf(t, g, egress.Options{})
	err := fails(t, c, get("http://api.example.com/x?secret=1"), inbox.Forbidden, egress.ErrNotGranted, "http://api.example.com")
	if hint := inbox.HintOf(err); !strings.Contains(hint, "https://api.example.com is granted") || !strings.Contains(hint, `allow = ["http://api.example.com"]`) {
		t.Errorf("hint %q", hint)
	}
}

// FuzzParseOrigin checks that each origin reads back as itself, and that net/url sees the same host and no more.
func FuzzParseOrigin(f *testing.F) {
	for _, seed := range []string{"https://api.example.com:8443", "http://[::1]:80", "http://0x7f.1", "https://a@b", "HTTP://A."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := egress.ParseOrigin(text)
		if err != nil {
			return
		}
		if again, err := egress.ParseOrigin(o.String()); err != nil || again != o {
			t.Fatalf("%q is %q, which reads back as %q, %v", text, o, again, err)
		}
		u, err := url.Parse(o.String())
		if err != nil || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Host != strings.ToLower(u.Host) {
			t.Fatalf("%q is %q: %v, %v", text, o, u, err)
		}
	})
}
