package egress_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/egress"
)

// trusting returns a client that trusts an authority and may reach the private origins.
func trusting(t *testing.T, a *authority, opt egress.Options, private ...string) *egress.Client {
	t.Helper()
	g := grant(t, nil, private)
	g.CAFile = a.file(t)
	return clientOf(t, g, opt)
}

func hour() time.Time { return time.Now().Add(time.Hour) }

func TestWrongCertificatesAreRefusedAndMayBeMended(t *testing.T) {
	t.Parallel()
	ca, stranger := newAuthority(t), newAuthority(t)
	var self *authority
	for why, cert := range map[string]tls.Certificate{
		"not trusted":              stranger.issue(t, hour(), "127.0.0.1"),
		"an authority that is not": self.issue(t, hour(), "127.0.0.1"),
		"for another name":         ca.issue(t, hour(), "other.test", "127.0.0.3"),
		"has expired":              ca.issue(t, time.Now().Add(-time.Minute), "127.0.0.1"),
	} {
		at, count := serveTLS(t, cert, answer("x"))
		err := fails(t, trusting(t, ca, egress.Options{}, at), get(at), inbox.Unavailable, nil, why)
		if inbox.HintOf(err) == "" || count() != 0 {
			t.Errorf("%s: hint %q, %d requests", why, inbox.HintOf(err), count())
		}
	}
	good, _ := serveTLS(t, ca.issue(t, hour(), "127.0.0.1"), answer("x"))
	if r := do(t, trusting(t, ca, egress.Options{}, good), get(good)); r.Status != 200 {
		t.Errorf("%+v", r)
	}
	fails(t, client(t, egress.Options{}, good), get(good), inbox.Unavailable, nil, "not trusted")
}

func TestTheCertificateIsCheckedForTheNameOfTheUrl(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	at, _ := serveTLS(t, ca.issue(t, hour(), "api.test"), answer("x"))
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(at, "https://"))
	right, wrong := "https://api.test:"+port, "https://evil.test:"+port
	c := trusting(t, ca, egress.Options{Resolver: names(t, func(string, int) []string { return []string{"127.0.0.1"} })}, right, wrong)
	do(t, c, get(right))
	do(t, c, get("https://API.Test.:"+port))
	fails(t, c, get(wrong), inbox.Unavailable, nil, "for another name")
}

func TestOldVersionsOfTLSAreRefused(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	s, count := counted(t, answer("x"))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, hour(), "127.0.0.1")}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	s.StartTLS()
	fails(t, trusting(t, ca, egress.Options{}, s.URL), get(s.URL), inbox.Unavailable, nil, "TLS handshake")
	if count() != 0 {
		t.Error("a request was sent")
	}
}

func TestATLSHandshakeThatNeverEndsAndAPortWithoutTLSAreTemporary(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	silent := "https" + strings.TrimPrefix(raw(t, func(net.Conn) { <-done }), "http")
	t.Cleanup(func() { close(done) })
	ends(t, func(limit time.Duration) *egress.Client {
		return client(t, egress.Options{Limits: egress.Limits{Handshake: limit}}, silent)
	}, get(silent), "in the TLS handshake")

	plain, _ := serve(t, answer("x"))
	plain = "https" + strings.TrimPrefix(plain, "http")
	fails(t, client(t, egress.Options{}, plain), get(plain), inbox.Unavailable, nil, "does not speak TLS")
}

func TestHTTP2IsSpokenAndItsConnectionUsedAgain(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	s, _ := counted(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.Proto+" "+r.Host+" "+string(body))
	})
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, hour(), "127.0.0.1")}}
	var mu sync.Mutex
	connections := 0
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			mu.Lock()
			connections++
			mu.Unlock()
		}
	}
	s.StartTLS()
	c := trusting(t, ca, egress.Options{}, s.URL)
	want := "HTTP/2.0 " + strings.TrimPrefix(s.URL, "https://") + " hello"
	if r := do(t, c, post(s.URL, "hello")); string(r.Body) != want {
		t.Errorf("%s, want %s", r.Body, want)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if r, err := c.Do(t.Context(), post(s.URL, "hello")); err != nil || string(r.Body) != want || r.Family != "ipv4" {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	all.Wait()
	mu.Lock()
	defer mu.Unlock()
	if connections != 1 {
		t.Errorf("%d connections", connections)
	}
}

func TestHostileServersOfHTTP2EndByTheSameBounds(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	at, _ := serveTLS(t, ca.issue(t, hour(), "127.0.0.1"), func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/endless":
			for block := make([]byte, 32<<10); ; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		case "/header":
			w.Header().Set("X-Long", strings.Repeat("x", 100<<10))
		case "/headers":
			for range 100 {
				w.Header().Add("X-Many", strings.Repeat("x", 1<<10))
			}
		case "/silent":
			hang(r)
		case "/abort":
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	})
	c := trusting(t, ca, egress.Options{}, at)
	if r := do(t, c, get(at+"/endless")); !r.Cut || len(r.Body) != 1<<20 {
		t.Errorf("%d bytes, cut %v", len(r.Body), r.Cut)
	}
	fails(t, c, get(at+"/header"), inbox.Unavailable, nil, "or have more than 65536 bytes")
	fails(t, c, get(at+"/headers"), inbox.Unavailable, nil, "headers have more than 65536 bytes")
	fails(t, c, get(at+"/abort"), inbox.Unavailable, nil, "while reading the response")
	ends(t, func(limit time.Duration) *egress.Client {
		return trusting(t, ca, egress.Options{Limits: egress.Limits{Time: limit}}, at)
	}, get(at+"/silent"), "waiting for the response")
	do(t, c, get(at)) // the client still works
}

func TestACAFileThatCannotBeUsedIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, why := range map[string]string{
		filepath.Join(dir, "none.pem"): "no such file",
		dir:                            "directory",
		write("text.pem", "hello"):     "no certificate in PEM",
		write("large.pem", strings.Repeat("x", 4<<20+1)):         "more than 4194304 bytes",
		write("key.pem", "-----BEGIN X-----\n-----END X-----\n"): "no certificate in PEM",
	} {
		_, err := egress.New(egress.Grant{CAFile: path}, egress.Options{})
		if inbox.KindOf(err) != inbox.Invalid || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), path) {
			t.Errorf("%v, want %q", err, why)
		}
	}
}

func TestTLSIsVerifiedThroughAProxyToo(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	good, _ := serveTLS(t, ca.issue(t, hour(), "api.test"), answer("behind"))
	bad, count := serveTLS(t, newAuthority(t).issue(t, hour(), "api.test"), answer("behind"))
	for _, behind := range []string{good, bad} {
		proxy, _ := serve(t, tunnel(t, strings.TrimPrefix(behind, "https://")))
		g := grant(t, []string{"https://api.test"}, nil)
		g.Proxy, g.CAFile = true, ca.file(t)
		c := clientOf(t, g, egress.Options{}.WithProxy(func(*http.Request) (*url.URL, error) { return url.Parse(proxy) }).WithClassify(
			func(netip.Addr) (egress.Reach, string) { return egress.Nobody, "no address of a test" }))
		if behind == bad {
			fails(t, c, get("https://api.test/"), inbox.Unavailable, nil, "not trusted")
		} else if r := do(t, c, get("https://api.test/")); string(r.Body) != "behind" {
			t.Errorf("%s", r.Body)
		}
	}
	if count() != 0 {
		t.Error("a request reached the receiver with the wrong certificate")
	}
}

// tunnel is a proxy whose tunnels all end at one address.
func tunnel(t *testing.T, address string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "api.test:443" || r.Header.Get("X-Key") != "" {
			t.Errorf("%s %s %v", r.Method, r.Host, r.Header)
		}
		there, err := net.Dial("tcp", address)
		if err != nil {
			t.Error(err)
			return
		}
		defer there.Close()
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer here.Close()
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(there, here); _ = there.Close() }()
		_, _ = io.Copy(here, there)
	}
}
