// Package intake is the door: it receives webhooks over HTTP and answers when they are safe.
//
// A body is read whole, within bounds, before anything is decided: the signature is over its bytes. What is signed is
// stored before it is answered 200, however strange it is; what is not signed is answered 401 and kept for a while, in
// case it was our secret that was wrong. A request of nothing is a probe, such as QoreID sends when the address is
// saved. The sender may try again later: 503 with Retry-After means that nothing was stored.
package intake

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"inbox/inbox"
)

// Keeper is what the door needs of a store.
type Keeper interface {
	Accept(ctx context.Context, a *inbox.Arrival) (inbox.Receipt, error)
	Refuse(ctx context.Context, r *inbox.Refused) error
	Ready(ctx context.Context) error
}

// Answer is one answered request, for counting.
type Answer struct {
	Source   string
	Code     int
	Status   string // stored, duplicate, probe, or why it was refused
	Secret   string // name of the secret that matched
	Size     int
	Duration time.Duration
}

// Options configure the door.
type Options struct {
	Sources  []Source
	Keep     Keeper
	Observe  func(Answer)     // told of every answer; default: nobody
	Log      *slog.Logger     // default: discard
	Proxies  []netip.Prefix   // whose X-Forwarded-For is believed
	InFlight int64            // bytes of bodies in memory at a time; default 256 MiB
	Now      func() time.Time // default time.Now
}

// statusProbe is the status of an answered probe.
const statusProbe = "probe"

type door struct {
	opt      Options
	sources  map[string]Source // by path
	inFlight atomic.Int64
	strikes  *strikes
}

// New returns the door.
func New(o Options) http.Handler {
	if o.Observe == nil {
		o.Observe = func(Answer) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.InFlight == 0 {
		o.InFlight = 256 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	d := &door{opt: o, sources: map[string]Source{}, strikes: newStrikes()}
	for _, s := range o.Sources {
		d.sources[s.Path] = s.withDefaults()
	}
	return d
}

// ServeHTTP answers one request.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := d.opt.Now()
	s, ok := d.sources[r.URL.Path]
	var a answer
	switch {
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
		Source: s.Name, Code: a.code, Status: a.status, Secret: a.secret, Size: a.size, Duration: d.opt.Now().Sub(start),
	})
	a.write(w)
}

// receive takes one POST.
func (d *door) receive(w http.ResponseWriter, r *http.Request, s Source, at time.Time) answer {
	body, release, a := d.read(w, r, s)
	defer release()
	if a != nil {
		return *a
	}
	if nothing(body) {
		return d.probe(r.Context())
	}
	headers := keptHeaders(r.Header)
	arrival, why, err := s.Vouch(body, headers, inbox.FromWebhook, at, time.Time{})
	switch {
	case err != nil:
		return failure(http.StatusRequestEntityTooLarge, "too_large", err.Error())
	case why != "":
		return d.refuse(r, s, body, headers, why, at)
	}
	receipt, err := d.opt.Keep.Accept(r.Context(), arrival)
	if err != nil {
		return d.unavailable(r, err)
	}
	d.opt.Log.Debug("accepted", "source", s.Name, "event", receipt.ID, "status", receipt.Status, "secret", arrival.SecretName)
	return answer{code: http.StatusOK, status: string(receipt.Status), secret: arrival.SecretName, size: len(body), receipt: &receipt}
}

// read reads the body within the bounds of the source and of the whole door. release must be called when the body is
// not needed any more.
func (d *door) read(w http.ResponseWriter, r *http.Request, s Source) (body []byte, release func(), a *answer) {
	reserved := s.MaxBody
	if r.ContentLength >= 0 {
		reserved = min(r.ContentLength, s.MaxBody)
	}
	release = func() { d.inFlight.Add(-reserved) }
	if d.inFlight.Add(reserved) > d.opt.InFlight {
		busy := failure(http.StatusServiceUnavailable, "busy", "too many bodies are being received at once")
		return nil, release, &busy
	}
	if r.ContentLength > s.MaxBody {
		large := failure(http.StatusRequestEntityTooLarge, "too_large", errTooLarge.Error())
		return nil, release, &large
	}
	body, err := readAll(http.MaxBytesReader(w, r.Body, s.MaxBody), r.ContentLength)
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return body, release, nil
	case errors.As(err, &tooLarge):
		large := failure(http.StatusRequestEntityTooLarge, "too_large", errTooLarge.Error())
		return nil, release, &large
	}
	broken := failure(http.StatusBadRequest, "incomplete", "the body ended before it was complete")
	return nil, release, &broken
}

// readAll is io.ReadAll into a buffer of the announced size.
func readAll(r io.Reader, length int64) ([]byte, error) {
	if length < 0 {
		return io.ReadAll(r)
	}
	body := make([]byte, length)
	_, err := io.ReadFull(r, body)
	return body, err
}

// nothing reports whether a body is empty or an empty object: a probe, signed or not.
func nothing(body []byte) bool {
	text := strings.TrimSpace(string(body[:min(len(body), 64)]))
	if len(body) > 64 {
		return false
	}
	inner, ok := strings.CutPrefix(text, "{")
	return text == "" || (ok && strings.TrimSpace(inner) == "}")
}

func (d *door) probe(ctx context.Context) answer {
	if err := d.opt.Keep.Ready(ctx); err != nil {
		return failure(http.StatusServiceUnavailable, "unavailable", "the store cannot take events at the moment")
	}
	return answer{code: http.StatusOK, status: statusProbe}
}

// refuse answers a request whose signature does not pass, and keeps it, unless its address has sent so many that
// keeping them would be what it wants.
func (d *door) refuse(r *http.Request, s Source, body []byte, headers []inbox.Header, why string, at time.Time) answer {
	address := d.address(r)
	a := failure(http.StatusUnauthorized, "signature", "the signature in "+s.Header+" does not pass: "+why)
	a.status = why
	if !d.strikes.allow(address, at) {
		return a
	}
	err := d.opt.Keep.Refuse(r.Context(), &inbox.Refused{
		Source: s.Name, Address: address, Why: why, ReceivedAt: at, Size: len(body), SignatureHeader: headerName(s.Header),
		Payload: inbox.Payload{Headers: headers, Body: body},
	})
	if err != nil {
		return d.unavailable(r, err)
	}
	d.opt.Log.Debug("refused", "source", s.Name, "why", why, "address", address)
	return a
}

// unavailable answers that nothing was stored.
func (d *door) unavailable(r *http.Request, err error) answer {
	if r.Context().Err() != nil {
		return failure(http.StatusServiceUnavailable, "gone", "the sender went away")
	}
	if inbox.KindOf(err) == inbox.Internal {
		d.opt.Log.Error("cannot store a webhook", "error", err)
	}
	return failure(http.StatusServiceUnavailable, "unavailable", "the event could not be stored; send it again")
}

// address is the client's address: of the connection, or, when that is a trusted proxy, the last one in
// X-Forwarded-For that is not.
func (d *door) address(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	addr := peer.Addr().Unmap()
	chain := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(chain) {
		if !d.trusted(addr) {
			break
		}
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		addr = next.Unmap()
	}
	return addr.String()
}

func (d *door) trusted(a netip.Addr) bool {
	return slices.ContainsFunc(d.opt.Proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// answer is what a request is answered.
type answer struct {
	code    int
	status  string
	secret  string
	size    int
	receipt *inbox.Receipt
	message string // of a failure
}

func failure(code int, status, message string) answer {
	return answer{code: code, status: status, message: message}
}

func (a answer) write(w http.ResponseWriter) {
	var body any
	switch {
	case a.receipt != nil:
		body = a.receipt
	case a.message == "":
		body = map[string]any{"id": nil, "seq": nil, "status": a.status}
	default:
		body = map[string]any{"error": map[string]string{"code": a.status, "message": a.message}}
	}
	text, err := json.Marshal(body)
	if err != nil { // cannot happen: strings and numbers
		a.code, text = http.StatusInternalServerError, []byte(`{"error":{"code":"internal"}}`)
	}
	text = append(text, '\n')
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	if a.code == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	}
	w.WriteHeader(a.code)
	_, _ = w.Write(text) // the sender may be gone; what is stored is stored
}
