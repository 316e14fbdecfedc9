package torture_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"inbox/inbox"
	"inbox/inbox/dispatch"
	"inbox/inbox/outbox"
)

// lostEmission commits every third attempt that emits without its events.
type lostEmission struct {
	dispatch.Store
	n atomic.Int64
}

func (s *lostEmission) Settle(ctx context.Context, st *inbox.Settlement, done func(error)) error {
	if st.Effects != nil && len(st.Effects.Emit) > 0 && s.n.Add(1)%3 == 0 {
		st.Effects.Emit = nil
	}
	return s.Store.Settle(ctx, st, done)
}

// doubleEmission commits every emitted event twice.
type doubleEmission struct{ dispatch.Store }

func (s *doubleEmission) Settle(ctx context.Context, st *inbox.Settlement, done func(error)) error {
	if st.Effects != nil {
		st.Effects.Emit = append(st.Effects.Emit, st.Effects.Emit...)
	}
	return s.Store.Settle(ctx, st, done)
}

// hasty sends requests before their attempt is committed, and again after.
type hasty struct{ dispatch.Store }

func (s *hasty) Settle(ctx context.Context, st *inbox.Settlement, done func(error)) error {
	if st.Effects != nil && len(st.Effects.Requests) > 0 {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, st.Effects.Requests[0].URL, bytes.NewReader(nil))
		if err == nil {
			r.Header.Set("Idempotency-Key", fmt.Sprint("before the commit of ", st.Attempt.Seq))
			if resp, err := http.DefaultClient.Do(r); err == nil {
				_ = resp.Body.Close()
			}
		}
	}
	return s.Store.Settle(ctx, st, done)
}

// sending is a sender in the form of a function, around the real one.
type sending struct {
	real outbox.Sender
	send func(ctx context.Context, real outbox.Sender, e *inbox.Effect, r *inbox.EffectRequest) inbox.Sent
}

func (s *sending) Send(ctx context.Context, e *inbox.Effect, r *inbox.EffectRequest) inbox.Sent {
	return s.send(ctx, s.real, e, r)
}

type sendFunc = func(ctx context.Context, real outbox.Sender, e *inbox.Effect, r *inbox.EffectRequest) inbox.Sent

func sendWith(send sendFunc) func(outbox.Sender) outbox.Sender {
	return func(real outbox.Sender) outbox.Sender { return &sending{real, send} }
}

// unsent reports every twentieth request as taken, and does not send it.
func unsent(ctx context.Context, real outbox.Sender, e *inbox.Effect, r *inbox.EffectRequest) inbox.Sent {
	if e.ID%20 == 0 {
		return inbox.Sent{Response: &inbox.Response{Status: http.StatusOK}}
	}
	return real.Send(ctx, e, r)
}

// rekeyed gives a request another key when it is sent again.
func rekeyed(ctx context.Context, real outbox.Sender, e *inbox.Effect, r *inbox.EffectRequest) inbox.Sent {
	other := *e
	if e.Tries > 0 {
		other.Key += "again"
	}
	return real.Send(ctx, &other, r)
}

// altered changes the bytes of every twentieth request.
func altered(ctx context.Context, real outbox.Sender, e *inbox.Effect, r *inbox.EffectRequest) inbox.Sent {
	other := *r
	if e.ID%20 == 0 {
		other.Body = append([]byte(" "), r.Body...)
	}
	return real.Send(ctx, e, &other)
}

// resent sends each request once more, after the next one of its lane.
func resent() sendFunc {
	type one struct {
		effect  *inbox.Effect
		request *inbox.EffectRequest
	}
	var mu sync.Mutex
	last := map[inbox.EffectLane]one{}
	return func(ctx context.Context, real outbox.Sender, e *inbox.Effect, r *inbox.EffectRequest) inbox.Sent {
		sent := real.Send(ctx, e, r)
		mu.Lock()
		before := last[e.Lane]
		last[e.Lane] = one{e, r}
		mu.Unlock()
		if before.effect != nil && before.effect.ID < e.ID {
			real.Send(ctx, before.effect, before.request)
		}
		return sent
	}
}
