package serve

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

// bounded is a server with a bound of connections. Its handler waits at /wait until the test releases it. On Linux a client may use
// any address of 127.0.0.0/8.
type bounded struct {
	*testing.T
	list    *connections
	address string
	entered chan struct{}
	release chan struct{}
	waiting int // requests in the handler

	mu         sync.Mutex
	closed     []netip.Addr
	unreadable int
}

func newBounded(t *testing.T, total, perAddress int) *bounded {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &bounded{T: t, address: l.Addr().String(), entered: make(chan struct{}, 100), release: make(chan struct{})}
	b.list = newConnections(l, total, perAddress, func(a netip.Addr) bool { return a == netip.MustParseAddr("127.0.0.9") }, func(a netip.Addr, why string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if why == inbox.RefusedUnreadable {
			b.unreadable++
			return
		}
		b.closed = append(b.closed, a)
	})
	s := &http.Server{
		ConnState: b.list.state, ConnContext: b.list.context, MaxHeaderBytes: 4 << 10, ErrorLog: newServerLog(slog.New(slog.DiscardHandler), ""),
		Handler: b.list.seen(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				b.entered <- struct{}{}
				<-b.release
			}
		})),
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(b.list) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return b
}

// refused returns the number of connections of an address that were closed at a bound.
func (b *bounded) refused(from string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.closed {
		if a.String() == from {
			n++
		}
	}
	return n
}

type peer struct {
	*net.TCPConn
	b  *bounded
	in *bufio.Reader
}

// dial opens a connection from an address.
func (b *bounded) dial(from string) *peer {
	b.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(context.Background(), "tcp", b.address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return &peer{c.(*net.TCPConn), b, bufio.NewReader(c)}
}

func (p *peer) ask(path string) { fmt.Fprintf(p, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path) }

// answered reports whether the connection gets an answer.
func (p *peer) answered() bool {
	resp, err := http.ReadResponse(p.in, nil)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK
}

// works reports whether the connection is open and a request is answered. The server marks a connection as idle after its answer, and
// works waits for that.
func (p *peer) works() bool {
	p.ask("/")
	ok := p.answered()
	inboxtest.Eventually(p.b, "only connections in the handler are busy", func() bool {
		p.b.list.mu.Lock()
		defer p.b.list.mu.Unlock()
		n := 0
		for c := range p.b.list.open {
			if c.busy {
				n++
			}
		}
		return n <= p.b.waiting
	})
	return ok
}

// idle opens a connection, sends one request and reads the answer.
func (b *bounded) idle(from string) *peer {
	b.Helper()
	p := b.dial(from)
	if !p.works() {
		b.Fatal("a connection within the bounds is not answered")
	}
	return p
}

// busy opens a connection with a request whose handler waits.
func (b *bounded) busy(from string) *peer {
	b.Helper()
	p := b.dial(from)
	p.ask("/wait")
	<-b.entered
	b.waiting++
	return p
}

func TestAtTheBoundOfAnAddressItsLongestIdleConnectionIsClosed(t *testing.T) {
	b := newBounded(t, 100, 3)
	first, second, third := b.idle("127.0.0.1"), b.idle("127.0.0.1"), b.busy("127.0.0.1")
	if !first.works() { // so that the second is idle longer
		t.Error("the first connection was closed")
	}
	other := b.idle("127.0.0.2")
	fourth := b.idle("127.0.0.1")
	if second.works() {
		t.Error("the longest idle connection was not closed at the bound")
	}
	if !first.works() || !fourth.works() || !other.works() || b.refused("127.0.0.1") != 1 {
		t.Errorf("other connections were closed: %v", b.closed)
	}
	fourth.ask("/wait") // a later request makes a connection busy too
	<-b.entered
	b.waiting++
	busy := []*peer{third, fourth, b.busy("127.0.0.1")} // closes the idle connection
	if late := b.dial("127.0.0.1"); late.works() {
		t.Error("a connection beyond the bound is accepted while none is idle")
	}
	if !other.works() || b.refused("127.0.0.2") != 0 {
		t.Error("a connection of another address was closed")
	}
	close(b.release)
	for i, p := range busy {
		if !p.answered() {
			t.Errorf("busy connection %d was closed", i)
		}
	}
}

func TestAtTheTotalBoundAConnectionOfTheAddressWithMostIsClosed(t *testing.T) {
	b := newBounded(t, 6, 100)
	proxy := []*peer{b.idle("127.0.0.9"), b.idle("127.0.0.9"), b.idle("127.0.0.9")}
	few := b.idle("127.0.0.2")
	many := []*peer{b.idle("127.0.0.1"), b.idle("127.0.0.1")}
	fresh := b.idle("127.0.0.3")
	if many[0].works() || !many[1].works() || !few.works() || !fresh.works() {
		t.Errorf("connections of %v were closed", b.closed)
	}
	for _, p := range proxy {
		if !p.works() {
			t.Error("a connection of a trusted proxy was closed before others")
		}
	}
}

// net/http keeps a connection for half a second after an answer to a request whose body it did not read.
func TestFinishedConnectionsAreClosedBeforeIdleOnes(t *testing.T) {
	b := newBounded(t, 4, 100)
	honest := b.idle("127.0.0.2")
	for range 3 {
		p := b.dial("127.0.0.1")
		fmt.Fprint(p, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n")
		if !p.answered() {
			t.Fatal("a request with an unread body is not answered")
		}
	}
	fresh := b.idle("127.0.0.1")
	if !honest.works() || !fresh.works() || len(b.closed) > 0 {
		t.Errorf("connections of %v were closed", b.closed)
	}
}

func TestAnAddressDoesNotDisplaceAnAddressWithFewerConnections(t *testing.T) {
	b := newBounded(t, 4, 100)
	honest := b.idle("127.0.0.2")
	for range 3 {
		b.busy("127.0.0.1")
	}
	if b.dial("127.0.0.1").works() || b.refused("127.0.0.1") != 1 || b.refused("127.0.0.2") != 0 {
		t.Errorf("connections of %v were closed", b.closed)
	}
	if !honest.works() {
		t.Error("the connection of the address with fewest was closed")
	}
	close(b.release)
}

func TestATrustedProxyHasNoBoundPerAddress(t *testing.T) {
	b := newBounded(t, 20, 2)
	for range 15 {
		b.busy("127.0.0.9")
	}
	if !b.dial("127.0.0.9").works() || len(b.closed) > 0 {
		t.Error("a connection of a trusted proxy was closed at a bound")
	}
	close(b.release)
}

func TestAConnectionWaitsWhileAllAreBusy(t *testing.T) {
	b := newBounded(t, 2, 100)
	first := b.busy("127.0.0.1")
	b.busy("127.0.0.2")
	late := b.dial("127.0.0.3")
	late.ask("/")
	_ = first.Close()
	b.release <- struct{}{} // net/http notices a closed connection when its handler returns
	if !late.answered() {
		t.Error("the connection is not answered after another was closed")
	}
	close(b.release)
}

func TestAListenerThatWaitsAtTheBoundCanBeClosed(t *testing.T) {
	b := newBounded(t, 1, 100)
	b.busy("127.0.0.1")
	late := b.dial("127.0.0.2")
	late.ask("/")
	_ = b.list.Close()
	close(b.release)
	if late.answered() {
		t.Error("a connection is accepted after Close")
	}
}

// net/http answers these requests itself, or closes their connections.
func TestRequestsThatNoHandlerSeesAreCounted(t *testing.T) {
	b := newBounded(t, 100, 100)
	b.idle("127.0.0.1")
	silent := b.dial("127.0.0.1")
	if err := silent.CloseWrite(); err != nil { // sends nothing, as a health check does
		t.Fatal(err)
	}
	silent.answered()
	for i, text := range []string{
		"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 10<<10) + "\r\n\r\n",
		"POST / HTTP/1.1\r\nHo",
	} {
		p := b.dial("127.0.0.1")
		_, _ = io.WriteString(p, text)
		_ = p.CloseWrite()
		if p.answered() {
			t.Errorf("%q is answered 200", text)
		}
		inboxtest.Eventually(t, "the request is counted", func() bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.unreadable == i+1
		})
	}
	if len(b.closed) > 0 {
		t.Errorf("connections of %v were closed", b.closed)
	}
}

func TestTheBoundsOfConnectionsUseHalfOfTheOpenFiles(t *testing.T) {
	for _, c := range []struct {
		files                     uint64
		total, perAddress, bodies int
	}{{0, 1024, 256, 128}, {1 << 20, 1024, 256, 128}, {1024, 512, 128, 64}, {128, 64, 16, 8}, {10, 16, 4, 2}} {
		if total, perAddress, bodies := connectionBounds(c.files); total != c.total || perAddress != c.perAddress || bodies != c.bodies {
			t.Errorf("%d files: %d, %d, %d", c.files, total, perAddress, bodies)
		}
	}
	if openFiles() == 0 {
		t.Error("the limit of open files is unknown")
	}
}
