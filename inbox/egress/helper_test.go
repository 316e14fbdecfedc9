package egress_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/egress"
)

// client returns a client that may reach the private origins.
func client(t *testing.T, opt egress.Options, private ...string) *egress.Client {
	t.Helper()
	return clientOf(t, grant(t, nil, private), opt)
}

func clientOf(t *testing.T, g egress.Grant, opt egress.Options) *egress.Client {
	t.Helper()
	c, err := egress.New(g, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func grant(t *testing.T, allow, private []string) egress.Grant {
	t.Helper()
	g, err := egress.ParseGrant(allow, private)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func origin(t *testing.T, text string) egress.Origin {
	t.Helper()
	o, err := egress.ParseOrigin(text)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// get and post make calls.
func get(url string) egress.Call {
	return egress.Call{Request: inbox.Request{Method: "GET", URL: url}}
}

func post(url, body string, headers ...inbox.Header) egress.Call {
	return egress.Call{Request: inbox.Request{Method: "POST", URL: url, Body: []byte(body), Headers: headers}}
}

// do sends and must get a response.
func do(t *testing.T, c *egress.Client, call egress.Call) *inbox.Response {
	t.Helper()
	r, err := c.Do(t.Context(), call)
	if err != nil {
		t.Fatalf("%v (%s)", err, inbox.HintOf(err))
	}
	return r
}

// fails sends and must get an error of a kind that wraps a reason, unless that is nil, and has a text in its message.
func fails(t *testing.T, c *egress.Client, call egress.Call, kind inbox.Kind, reason error, text string) error {
	t.Helper()
	r, err := c.Do(t.Context(), call)
	switch {
	case err == nil:
		t.Fatalf("got the response %d %q, want an error", r.Status, r.Body)
	case inbox.KindOf(err) != kind:
		t.Errorf("%v: kind %s, want %s", err, inbox.KindOf(err), kind)
	case reason != nil && !errors.Is(err, reason):
		t.Errorf("%v does not wrap %v", err, reason)
	case !strings.Contains(err.Error(), text):
		t.Errorf("%q does not say %q", err, text)
	}
	return err
}

// serve starts a receiver that counts its requests.
func serve(t *testing.T, h http.HandlerFunc) (url string, count func() int) {
	t.Helper()
	s, n := counted(t, h)
	s.Start()
	return s.URL, n
}

func counted(t *testing.T, h http.HandlerFunc) (*httptest.Server, func() int) {
	t.Helper()
	var mu sync.Mutex
	n := 0
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n++
		mu.Unlock()
		h(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(s.Close)
	return s, func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

func answer(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

// hang waits in a handler until the client is gone, which the server only notices once the body was read.
func hang(r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// raw starts a receiver that is a bare socket. Its connections are closed at the end of the test, and when fn returns.
func raw(t *testing.T, fn func(net.Conn)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			wg.Go(func() {
				defer conn.Close()
				fn(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return "http://" + l.Addr().String()
}

// head reads a request up to the end of its headers.
func head(conn net.Conn) string {
	var text bytes.Buffer
	for b := make([]byte, 1); !bytes.HasSuffix(text.Bytes(), []byte("\r\n\r\n")); {
		if _, err := conn.Read(b); err != nil {
			break
		}
		text.Write(b)
	}
	return text.String()
}

// names starts a name server, and returns a resolver that asks it. answer gets a name without the dot at its end and the number
// of earlier questions for its IPv4 addresses.
func names(t *testing.T, answer func(name string, asked int) []string) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = pc.Close(); wg.Wait() })
	wg.Go(func() {
		asked := map[string]int{}
		for question := make([]byte, 512); ; {
			n, from, err := pc.ReadFrom(question)
			if err != nil {
				return
			}
			_, _ = pc.WriteTo(reply(question[:n], asked, answer), from)
		}
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

// reply makes the answer to a question (RFC 1035, section 4.1).
func reply(question []byte, asked map[string]int, answer func(string, int) []string) []byte {
	var labels []string
	end := 12
	for question[end] != 0 {
		n := int(question[end])
		labels = append(labels, string(question[end+1:end+1+n]))
		end += n + 1
	}
	end += 5 // the root, type and class
	kind := binary.BigEndian.Uint16(question[end-4:])
	name := strings.ToLower(strings.Join(labels, "."))
	var addresses []string
	if kind == 1 {
		addresses = answer(name, asked[name])
		asked[name]++
	}
	out := bytes.Clone(question[:end])
	binary.BigEndian.PutUint16(out[2:], 0x8180) // a response
	binary.BigEndian.PutUint16(out[6:], uint16(len(addresses)))
	binary.BigEndian.PutUint32(out[8:], 0)
	for _, text := range addresses {
		four := netip.MustParseAddr(text).As4()
		out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		out = append(out, four[:]...)
	}
	return out
}

// authority is a certificate authority of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.cert, a.key = certify(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority of a test"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}, nil)
	return a
}

// file writes the authority's certificate and returns its path.
func (a *authority) file(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// issue returns a certificate for names and addresses that ends at a time. A nil authority gives one signed by itself.
func (a *authority) issue(t *testing.T, end time.Time, names ...string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "receiver of a test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	cert, key := certify(t, template, a)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

func certify(t *testing.T, template *x509.Certificate, by *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// serveTLS starts a receiver with a certificate, which also speaks HTTP/2.
func serveTLS(t *testing.T, cert tls.Certificate, h http.HandlerFunc) (url string, count func() int) {
	t.Helper()
	s, n := counted(t, h)
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.StartTLS()
	return s.URL, n
}
