package torture

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"inbox/inbox"
)

// noReceiver is the address in the sending guest. The receiver's address is written over it, and has the same length.
const noReceiver = "127.0.0.1:00000"

// receiver gets the requests of the plugin that sends. It notes each whole request. It fails in every way, and lets every
// request pass in the end, except some that it refuses for good.
type receiver struct {
	server *http.Server
	addr   string
	seed   uint64
	to     func() *history

	mu   sync.Mutex
	open int // connections
}

// arrival is a request as it arrived.
type arrival struct {
	key   string // Idempotency-Key
	body  [sha256.Size]byte
	taken bool // answered 200
}

// receive starts the receiver, unless it runs.
func (t *campaign) receive() error {
	if t.receiver != nil {
		return nil
	}
	var listener net.Listener
	for listener == nil { // until a port has five digits; nearly all have
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return inbox.Errorf(inbox.Unavailable, "start the receiver of requests", "%w", err)
		}
		if len(l.Addr().String()) == len(noReceiver) {
			listener = l
		} else {
			defer l.Close()
		}
	}
	r := &receiver{addr: listener.Addr().String(), seed: t.opt.Seed, to: func() *history { return t.history }}
	r.server = &http.Server{Handler: r, ConnState: r.count}
	t.receiver = r
	go func() { _ = r.server.Serve(listener) }() // it ends with the run
	return nil
}

// close stops the receiver.
func (r *receiver) close() {
	if r != nil {
		_ = r.server.Close() // nothing is lost: the run has ended
	}
}

// count counts the open connections.
func (r *receiver) count(_ net.Conn, state http.ConnState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch state {
	case http.StateNew:
		r.open++
	case http.StateClosed, http.StateHijacked: // hangUp closes a hijacked one at once
		r.open--
	}
}

// quiet waits until every request of a server that has ended is noted: until its connections are closed.
func (r *receiver) quiet(ctx context.Context) error {
	for until := time.Now().Add(stopBound); ; sleep(ctx, 5*time.Millisecond) {
		r.mu.Lock()
		open := r.open
		r.mu.Unlock()
		if open == 0 || ctx.Err() != nil {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("%d connections to the receiver of requests are open after the server's end", open)
		}
	}
}

// ServeHTTP notes a request and answers it.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return // not the whole request: the server was killed
	}
	key := q.Header.Get("Idempotency-Key")
	at, times := r.to().arrived(key, sha256.Sum256(body))
	roll := r.roll(fmt.Sprint(key, times))
	switch {
	case r.roll(key)%1000 == 0:
		w.WriteHeader(http.StatusUnprocessableEntity) // dead at once
	case times > 3 || roll%100 >= 5:
		r.to().took(at)
		w.WriteHeader(http.StatusOK)
	default:
		fail(w, q, roll%5)
	}
}

// fail fails in one of five ways.
func fail(w http.ResponseWriter, q *http.Request, way uint64) {
	switch way {
	case 0:
		w.WriteHeader(http.StatusInternalServerError)
	case 1:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	case 2: // hang, and close
		sleep(q.Context(), 400*time.Millisecond)
		hangUp(w)
	case 3: // break off in the body
		w.Header().Set("Content-Length", "1000")
		_, _ = io.Copy(w, strings.NewReader("half")) // the connection is closed in any case
	case 4:
		hangUp(w)
	}
}

// hangUp closes the connection of a request without an answer.
func hangUp(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close() // the other side sees it in any case
	}
}

// roll returns a number that depends on a text and the seed.
func (r *receiver) roll(text string) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, r.seed, "/", text)
	return h.Sum64() >> 8
}
