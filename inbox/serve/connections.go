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

// maxConnections bounds the open connections of senders. It applies where the limit of open files is at least twice as high.
const maxConnections = 1024

// connectionBounds returns three bounds: of senders' connections in total, of those from one address, and of bodies that are read at
// a time. files is the limit of open files; 0 means unknown. The other half of the files is for the store, the plugins and the
// operator. The bound of bodies is lower than the bound of connections per address, so that stalled bodies cannot use up all
// connections of an address.
func connectionBounds(files uint64) (total, perAddress, bodies int) {
	total = maxConnections
	if files > 0 {
		total = int(min(files/2, maxConnections))
	}
	total = max(total, 16)
	return total, total / 4, total / 8
}

// connections is a listener that bounds the open connections, in total and from one address. At the bound of an address it closes
// the address's connection that has been idle longest. At the total bound it closes the longest idle connection of the address with
// most connections. When all are busy, it closes a new connection beyond the bound of its address; a new connection beyond the
// total bound waits.
type connections struct {
	net.Listener
	total      int
	perAddress int
	trusted    func(netip.Addr) bool             // reports a trusted proxy, which has no bound per address
	refused    func(from netip.Addr, why string) // called for each connection closed at a bound, and for each request that no handler saw

	mu      sync.Mutex
	changed *sync.Cond // a connection was closed or is idle, or the listener is closed
	open    map[*connection]struct{}
	count   map[netip.Addr]int // of the open connections
	closed  bool
}

// connection is an accepted connection of a sender.
type connection struct {
	*net.TCPConn
	list  *connections
	from  netip.Addr // see intake.HolderOf
	proxy bool

	// guarded by list.mu
	busy     bool      // a handler runs for one of its requests
	unseen   bool      // a request arrived, and no handler has run for it
	finished bool      // the last answer is written, and further input is not read
	since    time.Time // start of the idle time
}

func newConnections(l net.Listener, total, perAddress int, trusted func(netip.Addr) bool, refused func(netip.Addr, string)) *connections {
	c := &connections{
		Listener: l, total: total, perAddress: perAddress, trusted: trusted, refused: refused,
		open: map[*connection]struct{}{}, count: map[netip.Addr]int{},
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
	if !l.freeSlot(c) {
		_ = tcp.Close()
		return nil
	}
	l.open[c] = struct{}{}
	l.count[c.from]++
	return c
}

// freeSlot closes idle connections until c is within the bounds, and reports whether it is.
func (l *connections) freeSlot(c *connection) bool {
	if !c.proxy && l.count[c.from] >= l.perAddress {
		own := l.longestIdle(func(v *connection) bool { return v.from == c.from })
		if own == nil {
			l.refused(c.from, inbox.RefusedConnections)
			return false
		}
		l.evict(own)
	}
	for len(l.open) >= l.total && !l.closed {
		last := l.longestIdle(func(*connection) bool { return true })
		switch {
		case last == nil:
			l.changed.Wait()
		case !c.proxy && !last.finished && l.count[last.from] < l.count[c.from]:
			l.refused(c.from, inbox.RefusedConnections)
			return false
		default:
			l.evict(last)
		}
	}
	return !l.closed
}

// longestIdle returns the connection to close first, among those that may accepts: the longest idle connection of the address with
// most connections. Finished connections are closed before all others, and those of proxies last. It returns nil when all are busy.
func (l *connections) longestIdle(may func(*connection) bool) *connection {
	var last *connection
	for c := range l.open {
		if !c.busy && may(c) && (last == nil || l.closesBefore(c, last)) {
			last = c
		}
	}
	return last
}

// evict closes a connection, and reports it unless its last answer is written.
func (l *connections) evict(c *connection) {
	if !c.finished {
		l.refused(c.from, inbox.RefusedConnections)
	}
	l.remove(c)
	_ = c.TCPConn.Close()
}

func (l *connections) closesBefore(c, than *connection) bool {
	if c.finished != than.finished {
		return c.finished
	}
	if c.proxy != than.proxy {
		return than.proxy
	}
	if a, b := l.count[c.from], l.count[than.from]; a != b {
		return a > b
	}
	return c.since.Before(than.since)
}

func (l *connections) remove(c *connection) {
	if _, known := l.open[c]; !known {
		return
	}
	delete(l.open, c)
	if l.count[c.from]--; l.count[c.from] == 0 {
		delete(l.count, c.from)
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
	c.list.remove(c)
	c.list.mu.Unlock()
	return c.TCPConn.Close()
}

// CloseWrite is called by net/http after the last answer. net/http keeps the connection open for another half second. In that time
// a sender that still sends can read the answer.
func (c *connection) CloseWrite() error {
	c.list.mu.Lock()
	c.busy, c.finished, c.since = false, true, time.Now()
	c.list.changed.Broadcast()
	c.list.mu.Unlock()
	return c.TCPConn.CloseWrite()
}

// state records when a connection becomes idle, and reports a closed connection whose request no handler saw. It fits
// [http.Server.ConnState].
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
			l.refused(c.from, inbox.RefusedUnreadable)
		}
	}
}

// connectionKey is the key of the connection in the context of a request.
type connectionKey struct{}

// context adds a connection to the contexts of its requests. It fits [http.Server.ConnContext].
func (l *connections) context(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, conn)
}

// seen records that a handler runs for a request. net/http answers some requests itself, for example with 400 and 431; no handler
// sees them.
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
