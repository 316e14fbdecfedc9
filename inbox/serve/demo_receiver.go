package serve

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"inbox/inbox"
)

// receiver is the demo's own HTTP server on the loopback interface: the address to which its plugin sends. Its first answer is 503
// with Retry-After, as of a receiver that restarts. All others are 200.
type receiver struct {
	server *http.Server
	net    net.Listener
	asked  atomic.Int64
	wait   int // Retry-After of the first answer, in seconds
}

// startReceiver starts a receiver. The caller closes it. The retry is due after two events at the pace of the demo.
func startReceiver(pace time.Duration) (*receiver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, inbox.Errorf(inbox.Unavailable, "start the receiver of the demo", "%w", err)
	}
	v := &receiver{net: l, wait: max(int((2*pace+time.Second-1)/time.Second), 1)}
	v.server = &http.Server{Handler: v, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second}
	go func() { _ = v.server.Serve(l) }() // it returns when close closes the server
	return v, nil
}

// origin returns the origin of the receiver, as a manifest grants it.
func (v *receiver) origin() string { return "http://" + v.net.Addr().String() }

func (v *receiver) close() {
	_ = v.server.Close() // nothing of it is kept
}

// ServeHTTP answers the first request with 503 and each later one with 200.
func (v *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 1<<20)) // the answer does not depend on it
	if v.asked.Add(1) == 1 {
		w.Header().Set("Retry-After", strconv.Itoa(v.wait))
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}
