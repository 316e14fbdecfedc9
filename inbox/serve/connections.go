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

// mostConnections is how many connections senders may have open, where the limit of open files allows twice as many.
const mostConnections = 1024

// connectionBounds returns how many connections senders may have in all and from one address, and how many of their bodies
// are read at a time, when the process may have so many files open; 0 means that nobody knows. The other half of the files is
// for the store, the plugins and the operator. Fewer bodies are read than one address may have connections, so that
// connections whose body does not come on cannot be all that an address has.
func connectionBounds(files uint64) (most, each, bodies int) {
	most = mostConnections
	if files > 0 {
		most = int(min(files/2, mostConnections))
	}
	most = max(most, 16)
	return most, most / 4, most / 8
}

// connections is a listener that bounds the connections that are open, in all and from one address. At a bound the connection
// that has been idle longest makes way: of the address itself, or of the address that has most. When nothing is idle, a
// connection beyond the bound of its address is closed, and one beyond the bound of all waits.
type connections struct {
	net.Listener
	most, each int
	trusted    func(netip.Addr) bool             // proxies, which have no bound of their own
	told       func(from netip.Addr, why string) // of every connection that was closed for a bound, and of what no handler saw

	mu      sync.Mutex
	changed *sync.Cond // a connection was closed or is idle, or the listener is closed
	open    map[*connection]struct{}
	of      map[netip.Addr]int
	closed  bool
}

// connection is one of them.
type connection struct {
	*net.TCPConn
	list  *connections
	from  netip.Addr // see intake.HolderOf
	proxy bool

	// guarded by list.mu
	busy   bool // a handler has a request of it
	unseen bool // a request came, and no handler has seen it
	over   bool // the last answer is written, and what else the sender says is not read
	since  time.Time
}

func newConnections(l net.Listener, most, each int, trusted func(netip.Addr) bool, told func(netip.Addr, string)) *connections {
	c := &connections{
		Listener: l, most: most, each: each, trusted: trusted, told: told, open: map[*connection]struct{}{}, of: map[netip.Addr]int{},
	}
	c.changed = sync.NewCond(&c.mu)
	return c
}

// Accept waits for a connection within the bounds.
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

// admit returns the connection when there is place for it, and closes it otherwise.
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

// makeWay makes place for a connection, and reports whether it did.
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

// idlest returns the connection that has been idle longest of those that may be closed, of the address that has most of them,
// and a proxy's last; nil when all are busy.
func (l *connections) idlest(may func(*connection) bool) *connection {
	var last *connection
	for c := range l.open {
		if !c.busy && may(c) && (last == nil || l.goesBefore(c, last)) {
			last = c
		}
	}
	return last
}

// drop closes a connection. One that was answered loses nothing by it.
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

// Close ends the wait for connections too.
func (l *connections) Close() error {
	l.mu.Lock()
	l.closed = true
	l.changed.Broadcast()
	l.mu.Unlock()
	return l.Listener.Close()
}

// Close gives the connection's place back.
func (c *connection) Close() error {
	c.list.mu.Lock()
	c.list.forget(c)
	c.list.mu.Unlock()
	return c.TCPConn.Close()
}

// CloseWrite says that the last answer is written. net/http keeps the connection for half a second more, so that the sender
// can read the answer while it sends what nobody reads.
func (c *connection) CloseWrite() error {
	c.list.mu.Lock()
	c.busy, c.over, c.since = false, true, time.Now()
	c.list.changed.Broadcast()
	c.list.mu.Unlock()
	return c.TCPConn.CloseWrite()
}

// state notes when a connection is idle again, and whether what came on it was seen. It fits [http.Server.ConnState].
func (l *connections) state(conn net.Conn, state http.ConnState) {
	c, ok := conn.(*connection)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch state {
	case http.StateActive: // net/http says so of the first request only, where a later one comes in one piece
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

// connectionKey is the connection in the context of a request.
type connectionKey struct{}

// context adds a connection to the contexts of its requests. It fits [http.Server.ConnContext].
func (l *connections) context(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, conn)
}

// seen notes that a handler has a request. What net/http answers itself, such as 400 and 431, no handler sees.
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
