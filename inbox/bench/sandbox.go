package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"inbox/inbox"
	"inbox/plugins/demo"
)

// Calls of guests are measured on one core: the guest and the host share it, as they do under load.

// timedGuest is a guest in the host with its event, and the same guest without the host.
type timedGuest struct {
	*guest
	event   *inbox.Event
	payload inbox.Payload
	plain   *bareGuest
	metered *bareGuest
}

// newTimedGuest compiles a guest, for calls with an event of 1 KiB.
func (l *lab) newTimedGuest(ctx context.Context, wasm []byte) (t *timedGuest, err error) {
	list, err := arrivals(1, 1, bodySize)
	if err != nil {
		return nil, err
	}
	g, err := l.guest(ctx, wasm, inbox.ByKey)
	if err != nil {
		return nil, err
	}
	a := list[0]
	t = &timedGuest{guest: g, payload: a.Payload, event: &inbox.Event{
		Source: a.Source, Mode: a.Mode, Seq: 1, ID: "evt_1", ReceivedAt: a.ReceivedAt, View: a.View,
	}}
	doc, err := g.document(a)
	if err == nil {
		t.plain, err = newBareGuest(ctx, wasm, doc, false)
	}
	if err == nil {
		t.metered, err = newBareGuest(ctx, wasm, doc, true)
	}
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func (t *timedGuest) close() error {
	err := t.guest.close()
	for _, l := range []*bareGuest{t.plain, t.metered} {
		if l != nil {
			err = errors.Join(err, l.close())
		}
	}
	return err
}

// p50 returns the median time of a call through the host, in microseconds: from making the document to the outcome.
func (t *timedGuest) p50(ctx context.Context, n int) (float64, error) {
	took := make([]float64, n)
	for i := range took {
		began := time.Now()
		out := t.prog.Attempt(ctx, &inbox.Work{Event: t.event, Payload: t.payload, Delivery: inbox.Delivery{Plugin: "p", Seq: 1, Attempt: 1}, Now: began})
		took[i] = float64(time.Since(began)) / 1e3
		if !out.Result.Settled() {
			return 0, fmt.Errorf("call the guest: its outcome is %s: %s", out.Result, out.Reason)
		}
	}
	slices.Sort(took)
	return median(took), ctx.Err()
}

// turns is the number of alternations of two measurements in a round, so that a disturbance affects both.
const turns = 15

// overhead returns the time that the host adds to a bare call, in microseconds.
func (t *timedGuest) overhead(ctx context.Context, n int) (float64, error) {
	return alternate(ctx, n, func(through, bare float64) float64 { return through - bare }, t.p50, t.plain.p50)
}

// ratio returns the time of a metered call divided by the time of the same call without metering.
func (t *timedGuest) ratio(ctx context.Context, n int) (float64, error) {
	return alternate(ctx, n, func(metered, plain float64) float64 { return metered / plain }, t.metered.p50, t.plain.p50)
}

// alternate measures n calls of a and of b, in alternating turns. It returns the median of compare over the turns.
func alternate(ctx context.Context, n int, compare func(a, b float64) float64, a, b func(context.Context, int) (float64, error)) (float64, error) {
	var found []float64
	for range turns {
		x, err := a(ctx, max(n/turns, 1))
		if err != nil {
			return 0, err
		}
		y, err := b(ctx, max(n/turns, 1))
		if err != nil {
			return 0, err
		}
		found = append(found, compare(x, y))
	}
	slices.Sort(found)
	return median(found), ctx.Err()
}

// nativeGuests measures a small plugin in C with an instance per event, and a session that does nothing. All time of that session
// is overhead of the host.
func nativeGuests(ctx context.Context, l *lab) (comparison, error) {
	c, err := l.newTimedGuest(ctx, demo.Wasm())
	if err != nil {
		return comparison{}, err
	}
	nothing, err := l.newTimedGuest(ctx, noop)
	if err != nil {
		return comparison{}, errors.Join(err, c.close())
	}
	return comparison{end: func() error { return errors.Join(c.close(), nothing.close()) }, round: func(ctx context.Context) error {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		n := l.scale(4000)
		fresh, err := c.p50(ctx, n)
		if err != nil {
			return err
		}
		over, err := nothing.overhead(ctx, 5*n)
		if err != nil {
			return err
		}
		x, err := c.ratio(ctx, n)
		l.add("guest.c.fresh", fresh)
		l.add("guest.overhead", over)
		l.add("guest.metered.vs_unguarded", x)
		return err
	}}, nil
}

// goGuest measures a plugin in Go, one instance for all events.
func goGuest(ctx context.Context, l *lab) (comparison, error) {
	wasm, err := l.buildGo(ctx)
	if err != nil {
		return comparison{}, err
	}
	g, err := l.newTimedGuest(ctx, wasm)
	if err != nil {
		return comparison{}, err
	}
	return comparison{end: g.close, round: func(ctx context.Context) error {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		n := l.scale(5000)
		reuse, err := g.p50(ctx, n)
		if err != nil {
			return err
		}
		bare, err := g.plain.p50(ctx, n)
		if err != nil {
			return err
		}
		x, err := g.ratio(ctx, n)
		l.add("guest.go.reuse", reuse)
		l.add("guest.go.bare", bare)
		l.add("guest.go.metered.vs_unguarded", x)
		return err
	}}, nil
}
