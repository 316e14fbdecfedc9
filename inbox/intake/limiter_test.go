package intake_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"inbox/inbox/intake"
	"inbox/inbox/qoreid"
)

// crowd sends refused requests to a handler without a network, with a clock of its own.
type crowd struct {
	t    *testing.T
	keep *memory
	h    http.Handler
	now  time.Time
	n    int
}

func newCrowd(t *testing.T) *crowd {
	c := &crowd{t: t, keep: &memory{}, now: time.Unix(1_000_000, 0)}
	c.h = intake.New(intake.Options{Sources: []intake.Source{source()}, Keep: c.keep, Now: func() time.Time { return c.now }})
	return c
}

// send sends a number of requests with bodies of size bytes, and returns the number of kept ones. Each is answered 401.
func (c *crowd) send(times int, remote, agent, sig string, size int) int {
	c.t.Helper()
	before := len(c.keep.refused)
	for range times {
		c.n++
		body := fmt.Sprintf(`{"event":"workflow","event_type":"verification_completed","data":{"id":%d,"x":"`, c.n)
		body += strings.Repeat("x", max(0, size-len(body)-3)) + `"}}`
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.RemoteAddr = remote
		r.Header.Set("User-Agent", agent)
		if sig != "" {
			r.Header.Set(qoreid.DefaultHeader, sig)
		}
		w := httptest.NewRecorder()
		if c.h.ServeHTTP(w, r); w.Code != http.StatusUnauthorized {
			c.t.Fatalf("answered %d", w.Code)
		}
	}
	kept := len(c.keep.refused) - before
	c.keep.refused = nil
	return kept
}

func forged() string { return qoreid.Sign("", []byte("other"), []byte(body)) }

func TestGenuineRequestsOfOneAddressAreAllKept(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	if got := c.send(10_000, "127.0.0.1:1", "axios", forged(), 2000); got != 10_000 {
		t.Errorf("%d small ones", got)
	}
	if got := c.send(200, "127.0.0.1:1", "axios", forged(), 300<<10); got != 200 {
		t.Errorf("%d with photos", got)
	}
}

func TestASenderOfTooManyRequestsIsLimitedAndOthersAreNot(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		sig         string
		size, times int
	}{"unsigned": {"", 50_000, 400}, "malformed": {"nonsense", 50_000, 400}, "small": {forged(), 60_000, 2500}, "large": {forged(), 2 << 20, 60}} {
		c := newCrowd(t)
		flood := c.send(x.times, "192.0.2.1:1", "a", x.sig, x.size)
		if flood == x.times || flood < 30 {
			t.Errorf("%s: %d of one address", name, flood)
		}
		if got := c.send(10, "192.0.2.1:2", "a", x.sig, x.size); got > 1 {
			t.Errorf("%s: %d more of the address", name, got)
		}
		if got := c.send(5, "192.0.2.1:2", "b", x.sig, x.size); got != 5 {
			t.Errorf("%s: %d of another program there", name, got)
		}
		if got := c.send(5, "192.0.2.2:1", "a", x.sig, x.size); got != 5 {
			t.Errorf("%s: %d of another address", name, got)
		}
		c.send(x.times, "[2001:db8::1]:1", "a", x.sig, x.size)
		if got := c.send(20, "[2001:db8::2]:1", "a", x.sig, x.size); got > 2 {
			t.Errorf("%s: %d of the same IPv6 network", name, got)
		}
		c.now = c.now.Add(20 * time.Minute)
		if got := c.send(20, "192.0.2.1:1", "a", x.sig, x.size); got != 20 {
			t.Errorf("%s: %d of the first address, later", name, got)
		}
		if code := from(c.h, "192.0.2.1:1", body, signed(body)[1]); code != 200 {
			t.Errorf("%s: a signed body of the same address is answered %d", name, code)
		}
	}
}

func TestTenAddressesLeaveAnAllowanceForAnEleventh(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	for range 6 {
		for i := range 10 {
			c.send(3, fmt.Sprintf("192.0.2.%d:1", i), "a", forged(), 2<<20)
		}
	}
	if got := c.send(20, "198.51.100.1:1", "axios", forged(), 60_000); got != 20 {
		t.Errorf("%d small ones: large ones use up their allowance", got)
	}
	if got := c.send(2, "198.51.100.1:1", "axios", forged(), 300<<10); got != 2 {
		t.Errorf("%d large ones", got)
	}
}

func TestABodyThatNoSecretCanMatchIsReadAndKeptOnlyInPart(t *testing.T) {
	t.Parallel()
	d := open(t, intake.Options{})
	w := d.dial(t)
	w.head(fmt.Sprint("Content-Length: ", 5<<20))
	w.say("%s", strings.Repeat("x", 70<<10)) // and no more
	code, _ := w.hear()
	got := d.keep.refused[0]
	if code != 401 || len(got.Payload.Body) != 4<<10 || got.BodySize != 5<<20 {
		t.Errorf("%d, kept %d of %d", code, len(got.Payload.Body), got.BodySize)
	}
	for i, size := range []int{64 << 10, 100} {
		if r := d.post(t, strings.Repeat("y", size)); r.code != 401 {
			t.Errorf("answered %d", r.code)
		}
		if got := d.keep.refused[i+1]; len(got.Payload.Body) != size || got.BodySize != size {
			t.Errorf("kept %d of %d", len(got.Payload.Body), got.BodySize)
		}
	}
	large := strings.Repeat("z", 1<<20)
	if r := d.post(t, large, qoreid.DefaultHeader, forged()); r.code != 401 || len(d.keep.refused[3].Payload.Body) != len(large) {
		t.Errorf("what another secret could admit is not kept whole: %d", r.code)
	}
	if r := d.post(t, large, signed(large)...); r.code != 200 {
		t.Errorf("signed: %d", r.code)
	}
}

func TestARefusedRequestSaysWhetherItReadsAsAnEventOfQoreID(t *testing.T) {
	t.Parallel()
	d := open(t, intake.Options{})
	for text, known := range map[string]bool{
		`{"event":"workflow","event_type":"verification_completed","data":{"id":1}}`: true,
		`{"type":"address","data":{"id":1}}`:                                         true,
		`{"event":"workflow"}`:                                                       false,
		`hello`:                                                                      false,
	} {
		d.keep.refused = nil
		d.post(t, text, qoreid.DefaultHeader, forged())
		if d.keep.refused[0].Known != known {
			t.Errorf("%s: %v", text, !known)
		}
	}
}

func TestAnUntrustedPeerThatNamesItsClientsIsReportedOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var told []netip.Addr
	h := intake.New(intake.Options{
		Sources: []intake.Source{source()}, Keep: &memory{}, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}, Forwarded: func(peer netip.Addr) { told = append(told, peer) },
	})
	for _, remote := range []string{"10.0.0.1:1", "203.0.113.9:1", "203.0.113.10:1", "10.0.0.2:1", "10.0.0.3:1"} {
		from(h, remote, body, signed(body)[1], "198.51.100.9")
	}
	from(h, "10.0.0.9:1", body, signed(body)[1])
	want := []netip.Addr{netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("10.0.0.2")}
	if fmt.Sprint(told) != fmt.Sprint(want) || strings.Count(log.String(), "level=WARN") != 2 || !strings.Contains(log.String(), "trusted_proxies") {
		t.Errorf("told %v: %s", told, log.String())
	}
}
