package egress

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"inbox/inbox"
)

// The reasons of denied requests, for errors.Is.
var (
	ErrNotGranted = errors.New("the origin is not granted")
	ErrAddress    = errors.New("the address is not allowed")
	ErrHeader     = errors.New("the header is not the plugin's to set")
	ErrSecret     = errors.New("the secret may not be used")

	// ErrRedirect is wrapped beside ErrNotGranted and ErrAddress when the receiver asked for it by a redirect, and not the plugin.
	ErrRedirect = errors.New("redirect")
)

// Client sends the requests of one plugin under one grant. Its connections are its own: no other plugin uses them, and those
// to origins of the list private serve only such origins. It may be used by several goroutines.
type Client struct {
	grant   Grant
	opt     Options
	open    *http.Transport // to addresses of the public internet
	private *http.Transport // to origins that may have private addresses
	proxied *http.Transport // through a proxy of the environment; nil without one granted
	closed  atomic.Bool
}

// New returns a client. It reads the grant's CA file; an error is Invalid, and has a hint.
//
// When the grant uses proxies, http.ProxyFromEnvironment decides for each request. The address that is dialled is then the
// proxy's: the operator named it, so it is not checked, and the proxy decides which addresses it connects to. The origin is
// checked as always, and TLS is verified end to end. Requests that the environment excludes (NO_PROXY, localhost) are dialled
// directly and their addresses are checked.
func New(g Grant, o Options) (*Client, error) {
	roots, err := g.roots()
	if err != nil {
		return nil, err
	}
	c := &Client{grant: g, opt: o.withDefaults()}
	c.open = c.transport(roots, c.opt.dialer(&gate{classify: c.opt.classify}))
	c.private = c.transport(roots, c.opt.dialer(&gate{private: true, literal: g.literals(), classify: c.opt.classify}))
	if g.Proxy {
		c.proxied = c.transport(roots, c.opt.dialer(nil))
		c.proxied.Proxy = c.opt.proxy
	}
	return c, nil
}

// transport returns a transport that dials with a dialer. Bodies are not decompressed: the limit of bytes would not bound what
// they become.
func (c *Client) transport(roots *x509.CertPool, d *net.Dialer) *http.Transport {
	l := c.opt.Limits
	return &http.Transport{
		DialContext:            d.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:    l.Handshake,
		ResponseHeaderTimeout:  l.Header,
		MaxResponseHeaderBytes: l.ResponseHeader,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        l.Connections,
		MaxIdleConnsPerHost:    l.Connections,
		MaxIdleConns:           2 * l.Connections,
		IdleConnTimeout:        idleFor,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second, // a connection that a firewall dropped is found
			MaxReceiveBufferPerStream: 512 << 10, MaxReceiveBufferPerConnection: 8 << 20, // before we read it
		},
	}
}

// maxCAFile is the largest CA file in bytes.
const maxCAFile = 4 << 20

// roots returns the certificates that are trusted: the system's, and those of the CA file. nil means the system's.
func (g *Grant) roots() (*x509.CertPool, error) {
	if g.CAFile == "" {
		return nil, nil
	}
	op := "read the CA file " + g.CAFile
	f, err := os.Open(g.CAFile)
	if err != nil {
		return nil, inbox.Errorf(inbox.Invalid, op, "%w", errors.Unwrap(err)).WithHint("correct ca in the table [http]")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxCAFile+1))
	switch {
	case err != nil:
		return nil, inbox.Errorf(inbox.Invalid, op, "%w", err)
	case len(text) > maxCAFile:
		return nil, inbox.Errorf(inbox.Invalid, op, "it has more than %d bytes", maxCAFile)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, inbox.Errorf(inbox.Invalid, op, "the system's certificates cannot be read: %w", err)
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, inbox.Errorf(inbox.Invalid, op, "it has no certificate in PEM").WithHint("it must have a block that begins with -----BEGIN CERTIFICATE-----")
	}
	return pool, nil
}

// Close closes the connections that are not in use, and those in use when their exchange ends. Later requests are refused.
func (c *Client) Close() {
	c.closed.Store(true)
	for _, t := range []*http.Transport{c.open, c.private, c.proxied} {
		if t != nil {
			t.CloseIdleConnections()
		}
	}
}

// roundTrip sends one hop. Each hop chooses its transport again.
func (c *Client) roundTrip(req *http.Request, x *exchange) (*http.Response, error) {
	if c.proxied != nil {
		proxy, err := c.opt.proxy(req)
		if err != nil {
			return nil, inbox.Errorf(inbox.Unavailable, "", "the environment names a proxy that is not a url").WithHint("look at HTTP_PROXY and HTTPS_PROXY")
		}
		if x.proxied = proxy != nil; x.proxied {
			return c.proxied.RoundTrip(req)
		}
	}
	if c.grant.private(x.origin) {
		return c.private.RoundTrip(req)
	}
	return c.open.RoundTrip(req)
}
