// Package intake is the door: it receives webhooks over HTTP and answers when they are safe.
//
// A body is read whole, within bounds, before anything is decided: the signature is over its bytes. What is signed is
// stored before it is answered 200, however strange it is; what is not signed is answered 401 and kept for a while, in
// case it was our secret that was wrong. A request of nothing is a probe, such as QoreID sends when the address is
// saved. The sender may try again later: 503 with Retry-After means that nothing is known to be stored, and a second
// copy does no harm.
//
// The answers, all of them JSON:
//
//	200 {"id","seq","status"}   status stored, duplicate or probe (then id and seq are null)
//	400, 408                    the body did not come whole, or not in time
//	401                         the signature is missing, malformed, or made with none of the source's secrets
//	404, 405                    no source has this path; webhooks are sent by POST
//	413                         the body, as sent or decoded, is larger than the source takes
//	503 with Retry-After        the store cannot take it, or too many bodies are in memory
//
// There is no 429: a signed body is never told to slow down.
package intake

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"inbox/inbox"
)

// Keeper is what the door needs of a store.
type Keeper interface {
	// Accept returns when the arrival, or an equal one before it, is durable. An Unavailable error means that the
	// sender should try again. ctx bounds only the wait.
	Accept(ctx context.Context, a *inbox.Arrival) (inbox.Receipt, error)
	// Refuse keeps a request whose signature did not pass, within the bounds of the quarantine.
	Refuse(ctx context.Context, r *inbox.Refused) error
	// Ready returns nil when events can be stored.
	Ready(ctx context.Context) error
}

// Answer is one answered request, for counting. It holds nothing that a stranger chose, but for Size.
type Answer struct {
	Source   string // empty when no source has the path
	Code     int
	Status   string        // stored, duplicate, probe, or why it was refused: one of a few words
	Secret   string        // name of the secret that matched
	Size     int           // bytes of the body as received, as far as it was read
	Unkept   bool          // refused for its signature, and not even quarantined: its address sends too many
	Duration time.Duration // from the request's headers to the answer
}

// Observer is told of every answer before it is written. It must not block, and is called by many goroutines.
type Observer func(Answer)

// DefaultInFlight is how many bytes of bodies are in memory at a time, unless Options say otherwise.
const DefaultInFlight = 256 << 20

// Options configure the door. The zero value of a field means the default in its comment.
type Options struct {
	Sources     []Source              // with distinct paths
	Keep        Keeper                // required
	Observe     Observer              // default: nobody
	Log         *slog.Logger          // default: discard
	Proxies     []netip.Prefix        // whose X-Forwarded-For is believed; default: nobody's
	Forwarded   func(peer netip.Addr) // told once of a peer that speaks for others and is no trusted proxy; default: nobody
	InFlight    int64                 // bytes of bodies in memory at a time, over all sources; default DefaultInFlight, and never less than three times the largest MaxBody
	ReadTimeout time.Duration         // for a whole body; default 1 min. It takes the place of the server's, if that has one
	WaitTimeout time.Duration         // for the store; default 30 s. An event that is stored later is a duplicate when it comes again
	Now         func() time.Time      // default time.Now
}

// withDefaults fills in what is not set.
func (o Options) withDefaults() Options {
	if o.Observe == nil {
		o.Observe = func(Answer) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Forwarded == nil {
		o.Forwarded = func(netip.Addr) {}
	}
	if o.InFlight == 0 {
		o.InFlight = DefaultInFlight
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = time.Minute
	}
	if o.WaitTimeout == 0 {
		o.WaitTimeout = 30 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

type door struct {
	opt     Options
	sources map[string]Source // by path
	room    *room
	strikes *strikes

	forwarding forwarding
	large      chan struct{} // holds as many as large bodies are checked at once
}

// New returns the door. It serves the paths of its sources, with or without a slash at their end, and answers 404 to
// any other.
func New(o Options) http.Handler {
	o = o.withDefaults()
	d := &door{opt: o, sources: map[string]Source{}, strikes: newStrikes(), large: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
	size := o.InFlight
	for _, s := range o.Sources {
		s = s.withDefaults()
		d.sources[trimPath(s.Path)] = s
		size = max(size, 3*s.MaxBody) // one that grows, or is decoded, stands in memory twice
	}
	d.room = newRoom(size)
	return d
}

func trimPath(path string) string { return strings.TrimSuffix(path, "/") }

// ServeHTTP answers one request.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := d.opt.Now()
	s, ok := d.sources[trimPath(r.URL.Path)]
	var a answer
	switch {
	case !ok && strings.HasPrefix(r.URL.Path, "/v1/"):
		a = failure(http.StatusNotFound, "not_found", "webhooks come to this address; the operator's API is at the admin address")
	case !ok:
		a = failure(http.StatusNotFound, "not_found", "nothing is received here: check the address in QoreID's dashboard")
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		a = d.probe(r.Context())
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "GET, HEAD, POST")
		a = failure(http.StatusMethodNotAllowed, "method", "webhooks are sent by POST")
	default:
		a = d.receive(w, r, s, start)
	}
	d.opt.Observe(Answer{
		Source: s.Name, Code: a.code, Status: a.status, Secret: a.secret, Size: a.size, Unkept: a.unkept, Duration: d.opt.Now().Sub(start),
	})
	a.write(w)
}
