// Package intake is the first package of the line: it receives webhooks over HTTP and answers 200 when they are stored. It asks
// package qoreid to verify and read them, and leaves storing to its Keeper.
//
// The whole body is read, within bounds, before it is judged, since the signature covers its bytes. A signed body is stored
// before it is answered 200, even when its content is strange. A body without a valid signature is answered 401 and kept for
// a while, in case the configured secret is wrong. A request with an empty body and no signature, or a right one, is a
// probe: QoreID sends one when the address is saved. With another signature it is a webhook that lost its body on the way,
// through HTTP/1.0 without a length, or a redirect that turned the POST into a GET. 503 with Retry-After asks the sender to
// try again: the webhook may not be stored, and a second copy does no harm.
//
// The answers, all of them JSON:
//
//	200 {"id","seq","status"}   status stored, duplicate or probe (then id and seq are null)
//	400, 408                    the body arrived incomplete, or too slowly
//	401                         the signature is missing, malformed, or made with none of the source's secrets
//	404, 405                    no source has this path; webhooks are sent by POST
//	413                         the body, as sent or decoded, is larger than the source takes
//	503 with Retry-After        the store cannot take it, or too many bodies are in memory
//
// 429 is not among them: no sender of a signed body is asked to slow down.
package intake

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"time"

	"inbox/inbox"
)

// Keeper is the part of a store that the handler uses.
type Keeper interface {
	// Accept returns when the arrival, or an earlier equal one, is durable. After an Unavailable error the sender should try
	// again. ctx bounds only the wait.
	Accept(ctx context.Context, a *inbox.Arrival) (inbox.Receipt, error)
	// Refuse keeps a request whose signature did not pass, within the bounds of the quarantine.
	Refuse(ctx context.Context, r *inbox.Refused) error
	// Ready returns nil when events can be stored.
	Ready(ctx context.Context) error
}

// Answer is one answered request, for counting. Strangers can choose none of its fields except Size.
type Answer struct {
	Source   string // empty when no source has the path
	Code     int
	Status   string        // stored, duplicate, probe, or the reason for the refusal: one of a few words
	Secret   string        // name of the secret that matched
	Size     int           // bytes of the body that were read, as received
	Unkept   bool          // refused for its signature and not quarantined, since its address sends too many
	Lost     bool          // refused although its signature could be right, and not kept
	Duration time.Duration // from the request's headers to the answer
}

// Observer is called with every answer before it is written. It must not block. Many goroutines call it at once.
type Observer func(Answer)

// DefaultInFlight is the default number of bytes of bodies in memory at a time.
const DefaultInFlight = 256 << 20

// Options configure the handler. The zero value of a field means the default in its comment.
type Options struct {
	Sources     []Source              // with distinct paths
	Keep        Keeper                // required
	Observe     Observer              // default: none
	Log         *slog.Logger          // default: discard
	Refusals    *Refusals             // counts refused requests; default: counters that nothing reads
	Proxies     []netip.Prefix        // their X-Forwarded-For is trusted; default: none
	Forwarded   func(peer netip.Addr) // called once for a peer that names its clients and is no trusted proxy; default: none
	InFlight    int64                 // bytes of bodies in memory at a time, over all sources; default DefaultInFlight, see BudgetSize
	Bodies      int                   // the number that are read at a time; default DefaultBodies
	ReadTimeout time.Duration         // for each 256 KiB of a body; default 20 s. It replaces the read timeout of the HTTP server
	WaitTimeout time.Duration         // for the store; default 30 s. An event that is stored later is a duplicate when it comes again
	Now         func() time.Time      // default time.Now
}

// withDefaults fills in the fields that are not set.
func (o Options) withDefaults() Options {
	if o.Observe == nil {
		o.Observe = func(Answer) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Refusals == nil {
		o.Refusals = NewRefusals(o.Log, nil)
	}
	if o.Forwarded == nil {
		o.Forwarded = func(netip.Addr) {}
	}
	if o.InFlight == 0 {
		o.InFlight = DefaultInFlight
	}
	if o.Bodies == 0 {
		o.Bodies = DefaultBodies
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = 20 * time.Second
	}
	if o.WaitTimeout == 0 {
		o.WaitTimeout = 30 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

type handler struct {
	opt     Options
	sources paths
	budget  *budget
	limiter *rateLimiter

	forwarding forwarding
	large      chan struct{} // its capacity is the number of large bodies that are checked at once
}

// New returns the handler. It serves the paths of its sources, see [FoldPath], and answers 404 for any other path. It never
// redirects, since senders follow a redirect with a GET without the body.
func New(o Options) http.Handler {
	o = o.withDefaults()
	h := &handler{limiter: newRateLimiter(), large: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
	o.Sources = slices.Clone(o.Sources)
	for i, s := range o.Sources {
		o.Sources[i] = s.withDefaults()
	}
	h.opt, h.sources, h.budget = o, newPaths(o.Sources), newBudget(o.Sources, o.InFlight, o.Bodies)
	return h
}

// ServeHTTP answers one request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.opt.Now()
	s, ok := h.sources.find(r.URL.Path)
	var a answer
	switch {
	case !ok && strings.HasPrefix(r.URL.Path, "/v1/"):
		a = unreadFailure(http.StatusNotFound, inbox.RefusedPath, "webhooks come to this address; the operator's API is at the admin address")
	case !ok:
		a = unreadFailure(http.StatusNotFound, inbox.RefusedPath, "no source has this path: check the address in QoreID's dashboard")
	case r.Method != http.MethodPost && r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD, POST")
		a = unreadFailure(http.StatusMethodNotAllowed, inbox.RefusedMethod, "webhooks are sent by POST")
	default:
		closeUnlessLength(w, r)
		a = h.receive(w, r, s, start)
	}
	if a.unread {
		closeUnread(w, r)
	}
	lost := h.note(r, s, a, start)
	h.opt.Observe(Answer{
		Source: s.Name, Code: a.code, Status: a.status, Secret: a.secret, Size: a.size, Unkept: a.unkept, Lost: lost,
		Duration: h.opt.Now().Sub(start),
	})
	a.write(w)
}

// note counts a refused request, and reports whether a webhook may be lost by it. Requests that the store could not take are
// not counted, since the store reports its own failures. Unsigned requests to unknown paths are not counted either.
func (h *handler) note(r *http.Request, s Source, a answer, at time.Time) (lost bool) {
	if a.code < http.StatusBadRequest || a.status == statusUnavailable {
		return false
	}
	lost = h.signed(r, s)
	path := ""
	switch {
	case a.code == http.StatusUnauthorized:
		lost = lost && a.unkept
	case a.code == http.StatusNotFound && !lost:
		return false
	case a.code == http.StatusNotFound:
		path = r.URL.Path
	}
	h.opt.Refusals.Note(s.Name, a.status, lost, h.address(r), path, at)
	return lost
}

// signed reports whether a request has a signature that could be right for its source, or for any source if it has none.
func (h *handler) signed(r *http.Request, s Source) bool {
	if s.Name != "" {
		return s.couldSign(r.Header)
	}
	return slices.ContainsFunc(h.opt.Sources, func(s Source) bool { return s.couldSign(r.Header) })
}
