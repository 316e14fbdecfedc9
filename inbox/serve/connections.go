package serve

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"inbox/inbox"
	"inbox/inbox/intake"
)

// mostConnections bounds the open connections of senders. It applies where the limit of open files is at least twice as high.
const mostConnections = 1024

// connectionBounds returns the bounds of senders' connections, in all and from one address, and the bound of bodies that are
// read at a time. files is the limit of open files; 0 means unknown. The other half of the files is for the store, the plugins
// and the operator. The bound of bodies is lower than the bound of connections per address, so that stalled bodies cannot use
// up all connections of an address.
func connectionBounds(files uint64) (most, each, bodies int) {
	most = mostConnections
	if files > 0 {
		most = int(min(files/2, mostConnections))
	}
	most = max(most, 16)
	return most, most / 4, most / 8
}

// connections is a listener that bounds the open connections, in all and from one address. At a bound it closes the connection
// that has been idle longest: of the address itself, or of the address with most connections. When none is idle, it closes a
// new connection beyond the bound of its address. A new connection beyond the total bound waits.
type connections struct {
	net.Listener
	most, each int
	trusted    func(netip.Addr) bool             // reports a proxy, which has no bound per address
	told       func(from netip.Addr, why string) // called for each connection closed at a bound, and for each request that no handler saw

	mu      sync.Mutex
	changed *sync.Cond // a connection was closed or is idle, or the listener is closed
	open    map[*connection]struct{}
	of      map[netip.Addr]int
	closed  bool
}

// connection is an accepted connection of a sender.
type connection struct {
	*net.TCPConn
	list  *connections
	from  netip.Addr // see intake.HolderOf
	proxy bool

	// guarded by list.mu
	busy   bool // a handler has a request of it
	unseen bool // a request came, and no handler has seen it
	over   bool // the last answer is written, and further input is not read
	since  time.Time
}

func newConnections(l net.Listener, most, each int, trusted func(netip.Addr) bool, told func(netip.Addr, string)) *connections {
	c := &connections{
		Listener: l, most: most, each: each, trusted: trusted, told: told, open: map[*connection]struct{}{}, of: map[netip.Addr]int{},
	}
	c.changed = sync.NewCond(&c.mu)
	return c
}

// Accept returns the next connection within the bounds.
func (l *connections) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			return conn, nil
		}
		if c := l.admit(tcp); c != nil {
			return c, nil
		}
	}
}

// admit returns the connection, or closes it and returns nil when a bound is reached.
func (l *connections) admit(tcp *net.TCPConn) *connection {
	var from netip.Addr
	if a, ok := tcp.RemoteAddr().(*net.TCPAddr); ok {
		from = a.AddrPort().Addr().Unmap()
	}
	c := &connection{TCPConn: tcp, list: l, from: intake.HolderOf(from), proxy: l.trusted(from), since: time.Now()}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.makeWay(c) {
		_ = tcp.Close()
		return nil
	}
	l.open[c] = struct{}{}
	l.of[c.from]++
	return c
}

// makeWay closes idle connections until c fits the bounds, and reports whether c fits.
func (l *connections) makeWay(c *connection) bool {
	if !c.proxy && l.of[c.from] >= l.each {
		own := l.idlest(func(v *connection) bool { return v.from == c.from })
		if own == nil {
			l.told(c.from, inbox.RefusedConnections)
			return false
		}
		l.drop(own)
	}
	for len(l.open) >= l.most && !l.closed {
		last := l.idlest(func(*connection) bool { return true })
		switch {
		case last == nil:
			l.changed.Wait()
		case !c.proxy && !last.over && l.of[last.from] < l.of[c.from]:
			l.told(c.from, inbox.RefusedConnections)
			return false
		default:
			l.drop(last)
		}
	}
	return !l.closed
}

// idlest returns the connection to close first among those that may accepts: of the address with most connections, the one idle
// longest. Connections of proxies come last. It returns nil when all are busy.
func (l *connections) idlest(may func(*connection) bool) *connection {
	var last *connection
	for c := range l.open {
		if !c.busy && may(c) && (last == nil || l.goesBefore(c, last)) {
			last = c
		}
	}
	return last
}

// drop closes a connection, and reports it unless its last answer is written.
func (l *connections) drop(c *connection) {
	if !c.over {
		l.told(c.from, inbox.RefusedConnections)
	}
	l.forget(c)
	_ = c.TCPConn.Close()
}

func (l *connections) goesBefore(c, than *connection) bool {
	if c.over != than.over {
		return c.over
	}
	if c.proxy != than.proxy {
		return than.proxy
	}
	if a, b := l.of[c.from], l.of[than.from]; a != b {
		return a > b
	}
	return c.since.Before(than.since)
}

func (l *connections) forget(c *connection) {
	if _, known := l.open[c]; !known {
		return
	}
	delete(l.open, c)
	if l.of[c.from]--; l.of[c.from] == 0 {
		delete(l.of, c.from)
	}
	l.changed.Broadcast()
}

// Close closes the listener and ends a wait in Accept.
func (l *connections) Close() error {
	l.mu.Lock()
	l.closed = true
	l.changed.Broadcast()
	l.mu.Unlock()
	return l.Listener.Close()
}

// Close closes the connection. It no longer counts towards the bounds.
func (c *connection) Close() error {
	c.list.mu.Lock()
	c.list.forget(c)
	c.list.mu.Unlock()
	return c.TCPConn.Close()
}

// CloseWrite is called by net/http after the last answer. net/http keeps the connection open for another half second, so that a
// sender that still sends can read the answer.
func (c *connection) CloseWrite() error {
	c.list.mu.Lock()
	c.busy, c.over, c.since = false, true, time.Now()
	c.list.changed.Broadcast()
	c.list.mu.Unlock()
	return c.TCPConn.CloseWrite()
}

// state records when a connection becomes idle, and whether a handler saw its requests. It fits [http.Server.ConnState].
func (l *connections) state(conn net.Conn, state http.ConnState) {
	c, ok := conn.(*connection)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch state {
	case http.StateActive: // net/http reports it for the first request only, when a later request arrives in one piece
		c.unseen = true
	case http.StateIdle:
		c.busy, c.since = false, time.Now()
		l.changed.Broadcast()
	case http.StateClosed:
		if c.unseen {
			l.told(c.from, inbox.RefusedUnreadable)
		}
	}
}

// connectionKey is the key of the connection in the context of a request.
type connectionKey struct{}

// context adds a connection to the contexts of its requests. It fits [http.Server.ConnContext].
func (l *connections) context(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, conn)
}

// seen records that a handler has a request. net/http answers some requests itself, such as with 400 and 431; no handler sees them.
func (l *connections) seen(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connectionKey{}).(*connection); ok {
			l.mu.Lock()
			c.busy, c.unseen = true, false
			l.mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
}
