package intake

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	"inbox/inbox"
	"inbox/inbox/qoreid"
)

// statusProbe is the status of an answered probe.
const statusProbe = "probe"

// receive reads one request and returns its answer.
func (h *handler) receive(w http.ResponseWriter, r *http.Request, s Source, at time.Time) answer {
	b := h.newBody(w, r)
	defer b.release()
	h.noticeForwarding(r)
	whole, err := b.readAsNeeded(w, r, s)
	var a answer
	if err != nil {
		a = unread(err)
	} else {
		a = h.decide(b, r, s, at)
	}
	a.unread = err != nil || !whole
	a.size = len(b.bytes)
	return a
}

// readAsNeeded reads a body. When no secret could have made the signature, it reads at most
// enough bytes. whole is false if the body was longer; then the connection is closed after the answer.
func (b *body) readAsNeeded(w http.ResponseWriter, r *http.Request, s Source) (whole bool, err error) {
	const enough = unsignedWhole + 1
	if s.couldSign(r.Header) || s.MaxBody <= enough || r.ContentLength > s.MaxBody || 0 <= r.ContentLength && r.ContentLength <= enough {
		return true, b.read(w, r, s.MaxBody)
	}
	part := *r
	part.ContentLength = -1
	err = b.read(w, &part, enough)
	var limit *http.MaxBytesError
	if errors.As(err, &limit) {
		return false, nil
	}
	return true, err
}

// decide returns the answer for a request whose body was read. A verified event is answered 200 only after the store has
// returned from Accept, which means that the event is on disk.
func (h *handler) decide(b *body, r *http.Request, s Source, at time.Time) answer {
	headers := keptHeaders(r.Header, s.Header)
	end := h.startCheck(len(b.bytes))
	secret, why := s.verify(b.bytes, headers)
	end()
	switch {
	case why == qoreid.Missing && nothing(b.bytes):
		return h.probe(r.Context())
	case why != "":
		return h.refuse(r, s, b.bytes, headers, why, at)
	case encoded(headers) && !b.reserve(s.MaxBody):
		return busy()
	}
	arrival, err := s.arrival(secret, b.bytes, headers)
	switch {
	case err != nil:
		return tooLarge()
	case nothing(arrival.Payload.Body):
		return h.probe(r.Context())
	}
	arrival.Origin, arrival.ReceivedAt = inbox.FromWebhook, at
	ctx, cancel := h.wait(r)
	defer cancel()
	receipt, err := h.opt.Keep.Accept(ctx, arrival)
	if err != nil {
		return h.unavailable("store a webhook", err)
	}
	h.opt.Log.Debug("accepted", "source", s.Name, "event", receipt.ID, "status", receipt.Status, "secret", arrival.SecretName)
	return answer{code: http.StatusOK, status: string(receipt.Status), secret: arrival.SecretName, receipt: &receipt}
}

// wait returns the context for a call of the store. It outlives the sender: a verified webhook is stored even when its sender
// has closed the connection.
func (h *handler) wait(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), h.opt.WaitTimeout)
}

// unread returns the answer for a request whose body could not be read.
func unread(err error) answer {
	var limit *http.MaxBytesError
	switch {
	case errors.Is(err, errBusy):
		return busy()
	case errors.As(err, &limit), errors.Is(err, errTooLarge):
		return tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return failure(http.StatusRequestTimeout, inbox.RefusedSlow, "the body did not arrive in time; send it again")
	}
	return failure(http.StatusBadRequest, inbox.RefusedIncomplete, "the body ended before it was complete")
}

// probe returns the answer for an empty request: whether events can be stored.
func (h *handler) probe(ctx context.Context) answer {
	if err := h.opt.Keep.Ready(ctx); err != nil {
		return failure(http.StatusServiceUnavailable, statusUnavailable, "the store cannot store events at the moment")
	}
	return answer{code: http.StatusOK, status: statusProbe}
}

// refuse returns the answer for a request whose signature does not pass, and keeps the request, unless the rate limiter says that
// its address sends too many.
func (h *handler) refuse(r *http.Request, s Source, body []byte, headers []inbox.Header, why string, at time.Time) answer {
	a := failure(http.StatusUnauthorized, why, "the signature in "+headerName(s.Header)+" does not pass: "+why)
	address := h.address(r)
	kept, whole := keptOf(why, body, r.ContentLength)
	if !h.limiter.allow(address, r.UserAgent(), why, len(kept), at) {
		a.unkept = true
		return a
	}
	known := inbox.CouldPass(why) && s.known(body, headers)
	ctx, cancel := h.wait(r)
	defer cancel()
	err := h.opt.Keep.Refuse(ctx, &inbox.Refused{
		Source: s.Name, Address: said(address), Why: why, ReceivedAt: at, Size: len(kept), SignatureHeader: headerName(s.Header),
		BodySize: whole, Known: known, Payload: inbox.Payload{Headers: headers, Body: kept},
	})
	if err != nil {
		return h.unavailable("keep a refused webhook", err)
	}
	h.opt.Log.Debug("refused", "source", s.Name, "why", why, "address", said(address))
	return a
}

// unavailable returns the answer for a request that may not be stored.
func (h *handler) unavailable(what string, err error) answer {
	if inbox.KindOf(err) != inbox.Unavailable { // the store reports its own failures
		h.opt.Log.Error(what, "error", err)
	}
	return failure(http.StatusServiceUnavailable, statusUnavailable, "the event could not be stored; send it again")
}

// closeUnlessLength closes the connection after an HTTP/1.0 request without a length. HTTP/1.0 has no chunks: a chunked body
// would be read as the next request (RFC 9112, section 6.1).
func closeUnlessLength(w http.ResponseWriter, r *http.Request) {
	if !r.ProtoAtLeast(1, 1) && r.Header.Get("Content-Length") == "" {
		w.Header().Set("Connection", "close")
	}
}

// linger is the time for which the rest of an unread body is read. Without it many senders would not see the answer, since a
// connection that is closed with unread bytes is reset.
const linger = 250 * time.Millisecond

// closeUnread closes the connection of a request whose body was not read. net/http reads the rest before it closes the
// connection, and would wait for it forever.
func closeUnread(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 {
		return
	}
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(linger))
}
