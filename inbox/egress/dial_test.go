package egress_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"inbox/inbox"
	"inbox/inbox/egress"
)

// outside is an address of this machine that tests declare to be public, so that a public and a private receiver can be met.
const outside = "127.0.0.2"

func judge(a netip.Addr) (egress.Reach, string) {
	if a.Unmap() == netip.MustParseAddr(outside) {
		return egress.Public, ""
	}
	return egress.Classify(a)
}

// twins starts two receivers at one port: one at the address that is declared public, one at loopback, which must never be
// reached. It returns the port.
func twins(t *testing.T) (port string, inside func() int) {
	t.Helper()
	out, err := net.Listen("tcp", outside+":0")
	if err != nil {
		t.Skipf("this system has one loopback address only: %v", err)
	}
	_, port, _ = net.SplitHostPort(out.Addr().String())
	in, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		_ = out.Close()
		t.Skipf("the port is taken: %v", err)
	}
	var mu sync.Mutex
	reached := 0
	for l, body := range map[net.Listener]string{out: "outside", in: "inside"} {
		s := &httptest.Server{Listener: l, Config: &http.Server{Handler: answer(body), ConnState: func(_ net.Conn, state http.ConnState) {
			if body == "inside" && state == http.StateNew {
				mu.Lock()
				reached++
				mu.Unlock()
			}
		}}}
		s.Start()
		t.Cleanup(s.Close)
	}
	return port, func() int { mu.Lock(); defer mu.Unlock(); return reached }
}

func TestTheAddressThatIsDialledDecidesHoweverOftenTheNameServerChangesItsMind(t *testing.T) {
	t.Parallel()
	port, inside := twins(t)
	opt := egress.Options{Resolver: names(t, func(_ string, asked int) []string {
		return []string{[]string{outside, "127.0.0.1"}[asked%2]}
	})}.WithClassify(judge)
	at := "http://rebind.test:" + port
	ok, denied := 0, 0
	for range 6 {
		c := clientOf(t, grant(t, []string{at}, nil), opt) // without a connection from before
		r, err := c.Do(t.Context(), get(at))
		switch {
		case err == nil && string(r.Body) == "outside":
			ok++
		case inbox.KindOf(err) == inbox.Forbidden && strings.Contains(err.Error(), egress.ErrAddress.Error()):
			denied++
		default:
			t.Errorf("%+v, %v", r, err)
		}
	}
	if ok != 3 || denied != 3 || inside() != 0 {
		t.Errorf("%d passed, %d were denied, %d connections to the private receiver", ok, denied, inside())
	}
}

func TestOfANameWithAPublicAndAPrivateAddressOnlyThePublicIsDialled(t *testing.T) {
	t.Parallel()
	port, inside := twins(t)
	opt := egress.Options{Resolver: names(t, func(string, int) []string { return []string{"127.0.0.1", "10.0.0.1", outside} })}.WithClassify(judge)
	at := "http://both.test:" + port
	if r := do(t, clientOf(t, grant(t, []string{at}, nil), opt), get(at)); string(r.Body) != "outside" || inside() != 0 {
		t.Errorf("%s, %d connections to the private receiver", r.Body, inside())
	}
}

func TestANameWhosePublicAddressIsDownIsTemporaryThoughAnotherIsRefused(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", outside+":0")
	if err != nil {
		t.Skipf("this system has one loopback address only: %v", err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close() // nothing listens there
	for _, answer := range [][]string{{"127.0.0.3", outside}, {outside, "127.0.0.3"}} {
		opt := egress.Options{Resolver: names(t, func(string, int) []string { return answer })}.WithClassify(judge)
		at := "http://half.test:" + port
		fails(t, clientOf(t, grant(t, []string{at}, nil), opt), get(at), inbox.Unavailable, nil, "failed while connecting")
	}
}

func TestAConnectionOfAPrivateGrantServesNoOtherPlugin(t *testing.T) {
	t.Parallel()
	port, inside := twins(t)
	opt := egress.Options{Resolver: names(t, func(string, int) []string { return []string{"127.0.0.1"} })}.WithClassify(judge)
	at := "http://crm.test:" + port
	granted := clientOf(t, grant(t, nil, []string{at}), opt)
	if r := do(t, granted, get(at)); string(r.Body) != "inside" {
		t.Errorf("%s", r.Body)
	}
	other := clientOf(t, grant(t, []string{at}, nil), opt)
	err := fails(t, other, get(at), inbox.Forbidden, egress.ErrAddress, "loopback (RFC 1122")
	if strings.Contains(err.Error(), "127.0.0.1") || !strings.Contains(inbox.HintOf(err), `private = ["`+at+`"]`) {
		t.Errorf("%v (%s)", err, inbox.HintOf(err))
	}
	if inside() != 1 {
		t.Errorf("%d connections", inside())
	}
}

func TestAPrivateGrantOpensPrivateAddressesAndNoOthers(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"169.254.169.254": "link-local", "100.100.100.200": "Alibaba", "168.63.129.16": "Azure", "0.0.0.0": "this network", "224.0.0.1": "multicast",
		"255.255.255.255": "broadcast", "240.0.0.1": "reserved", "192.0.2.1": "documentation",
	} {
		opt := egress.Options{Resolver: names(t, func(string, int) []string { return []string{address} })}
		err := fails(t, client(t, opt, "http://crm.test:9"), get("http://crm.test:9"), inbox.Forbidden, egress.ErrAddress, want)
		if strings.Contains(inbox.HintOf(err), "private =") {
			t.Errorf("%s: the hint %q would not help", address, inbox.HintOf(err))
		}
	}
}

func TestAnAddressOfMetadataIsReachedOnlyWhereItIsWritten(t *testing.T) {
	t.Parallel()
	at, _ := serve(t, answer("metadata"))
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(at, "http://"))
	opt := egress.Options{Resolver: names(t, func(string, int) []string { return []string{"127.0.0.1"} })}.WithClassify(
		func(netip.Addr) (egress.Reach, string) { return egress.ByAddress, "metadata of a test" })
	byName := "http://meta.test:" + port
	fails(t, client(t, opt, byName), get(byName), inbox.Forbidden, egress.ErrAddress, "metadata of a test")
	fails(t, clientOf(t, grant(t, []string{byName}, nil), opt), get(byName), inbox.Forbidden, egress.ErrAddress, "metadata of a test")
	if r := do(t, client(t, opt, at), get(at)); string(r.Body) != "metadata" {
		t.Errorf("%s", r.Body)
	}
}

func TestAProxyOfTheEnvironmentIsUsedOnlyWhereItIsGranted(t *testing.T) {
	t.Parallel()
	var asked string
	proxy, count := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		answer("from the proxy")(w, r)
	})
	opt := egress.Options{Resolver: names(t, func(string, int) []string { return []string{"10.0.0.1"} })}.WithProxy(func(r *http.Request) (*url.URL, error) {
		if r.URL.Hostname() == "direct.test" {
			return nil, nil
		}
		return url.Parse(proxy)
	})
	allow := []string{"http://api.test", "http://direct.test"}
	fails(t, clientOf(t, grant(t, allow, nil), opt), get("http://api.test/x"), inbox.Forbidden, egress.ErrAddress, "private (RFC 1918)")
	g := grant(t, allow, nil)
	g.Proxy = true
	c := clientOf(t, g, opt)
	r := do(t, c, get("http://api.test/x"))
	if string(r.Body) != "from the proxy" || asked != "http://api.test/x" || r.Family != "" {
		t.Errorf("%+v, the proxy was asked for %q", r, asked)
	}
	fails(t, c, get("http://other.test/x"), inbox.Forbidden, egress.ErrNotGranted, "other.test")
	fails(t, c, get("http://direct.test/x"), inbox.Forbidden, egress.ErrAddress, "private (RFC 1918)")
	if count() != 1 {
		t.Errorf("%d requests to the proxy", count())
	}
}
