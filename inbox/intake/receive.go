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

// receive takes one POST.
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

// readAsNeeded reads a body, or, when no secret could have made the signature, no more of it than may be kept. Then whole is
// false: the rest is not taken in, and the connection is closed after the answer.
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

// decide answers a POST whose body is read.
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

// wait returns the context in which the store is waited for. It outlives the sender: what has been received and
// vouched for is stored whether or not somebody still listens.
func (h *handler) wait(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), h.opt.WaitTimeout)
}

// unread answers a request whose body did not come.
func unread(err error) answer {
	var limit *http.MaxBytesError
	switch {
	case errors.Is(err, errBusy):
		return busy()
	case errors.As(err, &limit), errors.Is(err, errTooLarge):
		return tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return failure(http.StatusRequestTimeout, inbox.RefusedSlow, "the body did not come in time; send it again")
	}
	return failure(http.StatusBadRequest, inbox.RefusedIncomplete, "the body ended before it was complete")
}

// probe answers a request of nothing: whether events could be stored.
func (h *handler) probe(ctx context.Context) answer {
	if err := h.opt.Keep.Ready(ctx); err != nil {
		return failure(http.StatusServiceUnavailable, statusUnavailable, "the store cannot take events at the moment")
	}
	return answer{code: http.StatusOK, status: statusProbe}
}

// refuse answers a request whose signature does not pass, and keeps it, unless its address has sent so many that
// keeping them would be what it wants.
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

// unavailable answers that nothing is known to be stored.
func (h *handler) unavailable(what string, err error) answer {
	if inbox.KindOf(err) != inbox.Unavailable { // the store says itself when it is down
		h.opt.Log.Error(what, "error", err)
	}
	return failure(http.StatusServiceUnavailable, statusUnavailable, "the event could not be stored; send it again")
}

// lengthless ends the connection after a request in HTTP/1.0 that states no length. Its body, in chunks that this version
// does not have, would be read as the next request (RFC 9112, section 6.1).
func closeUnlessLength(w http.ResponseWriter, r *http.Request) {
	if !r.ProtoAtLeast(1, 1) && r.Header.Get("Content-Length") == "" {
		w.Header().Set("Connection", "close")
	}
}

// linger is how long the rest of a body is read that nobody wants. Without it many senders would not see the answer: a
// connection that is closed with something unread is reset.
const linger = 250 * time.Millisecond

// giveUp ends the connection of a request whose body was not read. net/http reads the rest before it closes, and would wait
// for it without end.
func closeUnread(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 {
		return
	}
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(linger))
}
