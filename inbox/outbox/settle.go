package outbox

import (
	"context"
	"errors"

	"inbox/inbox"
)

// try is a try of an effect, and how it ended.
type try struct {
	origin  *origin
	effect  *inbox.Effect
	request *inbox.EffectRequest // nil: the try reads it
	policy  inbox.Policy
	bytes   int64 // of the request, as far as they are bounded
	sent    inbox.Sent
	err     error // the store could not be read: there was no try
}

// end is the end of a settlement.
type end struct {
	origin *origin
	effect *inbox.Effect
	err    error
}

// start starts a try in a goroutine of its own.
func (o *Outbox) start(tries context.Context, t *try) {
	r := t.origin
	r.busy[t.effect.Lane.LaneID] = true
	r.active++
	o.active++
	r.bytes += t.bytes
	o.bytes += t.bytes
	go func() {
		t.sent, t.err = o.send(tries, t.effect, t.request)
		o.results <- t // it has a place for each try
	}()
}

// send makes one try.
func (o *Outbox) send(ctx context.Context, e *inbox.Effect, req *inbox.EffectRequest) (inbox.Sent, error) {
	began := o.opt.Now()
	var err error
	if req == nil {
		req, err = o.opt.Store.EffectRequest(ctx, e.ID)
	}
	var sent inbox.Sent
	switch {
	case err == nil:
		sent = o.opt.Sender.Send(ctx, e, req)
	case inbox.KindOf(err) == inbox.NotFound, errors.Is(err, inbox.ErrDamaged):
		sent = inbox.Sent{Failure: inbox.Unreadable, Why: "its bytes are purged or damaged"}
	default:
		return inbox.Sent{}, err
	}
	sent.StartedAt, sent.Duration = began, max(o.opt.Now().Sub(began), 0)
	return sent, nil
}

// settleAll settles a result, and those that have arrived meanwhile, so that the step after them is made once.
func (o *Outbox) settleAll(tries context.Context, r *try) {
	for {
		o.settle(tries, r)
		select {
		case r = <-o.results:
		default:
			return
		}
	}
}

// settle decides what becomes of an effect after a try, and submits the settlement.
func (o *Outbox) settle(tries context.Context, r *try) {
	or, e, now := r.origin, r.effect, o.opt.Now()
	or.active--
	o.active--
	or.bytes -= r.bytes
	o.bytes -= r.bytes
	if r.err != nil || r.sent.Interrupted {
		delete(or.busy, e.Lane.LaneID)
		if r.err != nil {
			or.notUntil = now.Add(pause)
			o.opt.Log.Warn("cannot read an outgoing request; trying again", "effect", e.ID, "error", r.err)
		}
		return
	}
	before := or.health
	if !r.sent.Alone {
		or.health = inbox.Hold(before, e.ID, e.Lane.LaneID, r.sent.Outcome(), r.policy, now)
	}
	st := &inbox.SendSettlement{Term: o.opt.Term, Effect: e, Sent: &r.sent}
	st.Decision = inbox.NextSend(e, &r.sent, r.policy, or.health.OnHold, o.opt.Roll(), now)
	st.Emit = inbox.Answered(e, &r.sent, st.Decision.Fate)
	o.noteHealth(or, before, st)
	o.note(e, st)
	o.pending++
	err := o.opt.Store.SettleSend(context.WithoutCancel(tries), st, func(err error) { o.ends <- end{or, e, err} })
	if err != nil {
		o.end(end{or, e, err})
	}
	o.opt.Observe(e, &r.sent, st.Decision)
}

// noteHealth adds the health of an origin to a settlement when its hold has changed, and logs the begin and the end of a hold.
func (o *Outbox) noteHealth(or *origin, before inbox.Health, st *inbox.SendSettlement) {
	h := or.health
	if h.OnHold && !before.OnHold {
		st.Health.Uncount = h.Streak[:len(h.Streak)-1] // this try is not counted by itself
	}
	if h.OnHold != or.stored.OnHold || h.Probes != or.stored.Probes {
		stored := h
		stored.Streak = nil
		st.Health.Set, or.stored = &stored, stored
	}
	log := o.opt.Log.With("plugin", or.name.plugin, "origin", or.name.origin)
	switch {
	case h.OnHold && !before.OnHold:
		log.Error("the origin is on hold: it fails, or a grant is missing; only probes are sent until one succeeds",
			"result", h.Reason, "failures", len(h.Streak), "next_probe", h.ProbeAt)
	case before.OnHold && !h.OnHold:
		log.Info("the origin is no longer on hold", "probes", before.Probes)
	}
}

// note logs a try.
func (o *Outbox) note(e *inbox.Effect, st *inbox.SendSettlement) {
	log := o.opt.Log.With("effect", e.ID, "plugin", e.Lane.Plugin, "origin", e.Lane.Origin, "try", e.Tries+1, "result", st.Sent.Result(), "duration", st.Sent.Duration)
	switch st.Decision.Fate {
	case inbox.Done:
		log.Debug("sent")
	case inbox.Again:
		log.Info("not sent; it is tried again", "reason", st.Sent.Why, "due_at", st.Decision.DueAt)
	case inbox.Dead:
		log.Error("an outgoing request is dead", "reason", st.Sent.Why, "parks", st.Decision.Parks)
	}
}

// endAll handles the end of a settlement, and of those that have ended meanwhile.
func (o *Outbox) endAll(e end) {
	for {
		o.end(e)
		select {
		case e = <-o.ends:
		default:
			return
		}
	}
}

// end handles the end of a settlement. After a failure the effect is as before its try, and is sent again.
func (o *Outbox) end(e end) {
	o.pending--
	delete(e.origin.busy, e.effect.Lane.LaneID)
	switch inbox.EndOf(e.err) {
	case inbox.EndCommitted:
	case inbox.EndFenced:
		o.fence()
	default:
		o.opt.Log.Error("cannot record a try of an outgoing request; it is sent again", "effect", e.effect.ID, "error", e.err)
		e.origin.stored = inbox.Health{Probes: -1} // unknown: stored with the next settlement
		e.origin.notUntil = later(e.origin.notUntil, o.opt.Now().Add(pause))
	}
}

// fence stops the sending, because a newer server has taken over.
func (o *Outbox) fence() {
	if !o.fenced {
		o.opt.Log.Error("a newer server has taken over the outgoing requests: this one sends no more")
	}
	o.fenced = true
}
