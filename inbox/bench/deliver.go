package bench

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"inbox/inbox"
	"inbox/inbox/dispatch"
	"inbox/inbox/document"
)

// filled opens a fixture and stores a list of arrivals in it.
func (l *lab) filled(ctx context.Context, list []*inbox.Arrival) (*fixture, error) {
	r, err := l.newFixture(false)
	if err != nil {
		return nil, err
	}
	if err := r.fill(ctx, list, 256); err != nil {
		return nil, errors.Join(err, r.remove())
	}
	return r, nil
}

// senders runs plugins over a fixture.
type senders struct {
	d     *dispatch.Dispatcher
	stop  context.CancelFunc
	end   chan error
	count atomic.Int64
	full  chan struct{} // closed when want attempts were made
	want  int64
	bad   atomic.Pointer[inbox.Attempt]
}

// newSenders makes a dispatcher that run starts. It counts attempts up to want.
func newSenders(r *fixture, want int) *senders {
	c := &senders{end: make(chan error, 1), full: make(chan struct{}), want: int64(want)}
	c.d = dispatch.New(dispatch.Options{Store: r.Store, Busy: r.Busy, Observe: func(_ *inbox.Event, a *inbox.Attempt) {
		if a.Fate != inbox.Done {
			c.bad.Store(a)
		}
		if c.count.Add(1) == c.want {
			close(c.full)
		}
	}})
	return c
}

func (c *senders) run(ctx context.Context) {
	ctx, c.stop = context.WithCancel(ctx)
	go func() { c.end <- c.d.Run(ctx) }()
}

// finish waits until all deliveries are settled: Run of the dispatcher returns when the last settlement is durable.
func (c *senders) finish(ctx context.Context) error {
	select {
	case <-c.full:
	case <-ctx.Done():
	}
	c.stop()
	err := <-c.end
	if a := c.bad.Load(); err == nil && a != nil {
		return fmt.Errorf("the outcome of event %d is %s: %s", a.Seq, a.Result, a.Reason)
	}
	return errors.Join(err, ctx.Err())
}

// deliver delivers n events to a plugin that is new to the store, and returns deliveries per second.
func (g *guest) deliver(ctx context.Context, r *fixture, n int) (float64, error) {
	if err := r.Register(ctx, "p", g.man.StartFrom); err != nil {
		return 0, err
	}
	c := newSenders(r, n)
	began := time.Now()
	c.run(ctx)
	c.d.SetLive("p", g.live())
	err := c.finish(ctx)
	return float64(n) / time.Since(began).Seconds(), err
}

// replay replays n delivered events, and returns deliveries per second.
func (g *guest) replay(ctx context.Context, r *fixture, n int) (float64, error) {
	c := newSenders(r, n)
	began := time.Now()
	job := &inbox.Replay{Plugins: []string{"p"}, Only: inbox.OnlyAll}
	if err := r.CreateReplay(ctx, actor, job); err != nil {
		return 0, err
	}
	c.run(ctx)
	c.d.SetLive("p", g.live())
	err := c.finish(ctx)
	return float64(n) / time.Since(began).Seconds(), err
}

// document returns the document that the guest gets for an event.
func (g *guest) document(a *inbox.Arrival) ([]byte, error) {
	e := &inbox.Event{Source: a.Source, Mode: a.Mode, Seq: 1, ID: "evt_1", ReceivedAt: a.ReceivedAt, View: a.View}
	return document.New(&inbox.Work{Event: e, Payload: a.Payload, Delivery: inbox.Delivery{Plugin: "p", Seq: 1, Attempt: 1}, Now: a.ReceivedAt}, &g.man)
}

// compared compares deliveries of a log with bare calls of the guest.
func (l *lab) compared(g *guest, name string, keys, n, calls int, replayed bool) (comparison, error) {
	list, err := arrivals(n, keys, bodySize)
	if err != nil {
		return comparison{}, err
	}
	doc, err := g.document(list[0])
	if err != nil {
		return comparison{}, err
	}
	return comparison{end: g.close, round: func(ctx context.Context) error {
		call, err := g.bare(ctx, doc, calls)
		if err != nil {
			return err
		}
		r, err := l.filled(ctx, list)
		if err != nil {
			return err
		}
		defer r.remove()
		live, err := g.deliver(ctx, r, n)
		if err != nil {
			return err
		}
		l.add(name, live)
		l.add(name+".vs_call", live/call)
		if !replayed {
			return nil
		}
		again, err := g.replay(ctx, r, n)
		l.add("replay", again)
		l.add("replay.vs_live", again/live)
		return err
	}}, nil
}

func deliveries(keys int) func(context.Context, *lab) (comparison, error) {
	return func(ctx context.Context, l *lab) (comparison, error) {
		g, err := l.guest(ctx, noop, inbox.ByKey)
		if err != nil {
			return comparison{}, err
		}
		return l.compared(g, fmt.Sprintf("deliver.keys%d", keys), keys, l.scale(50_000), l.scale(1_000_000), keys > 1000)
	}
}

// goDeliveries measures a guest in Go, built from the example.
func goDeliveries(ctx context.Context, l *lab) (comparison, error) {
	wasm, err := l.buildGo(ctx)
	if err != nil {
		return comparison{}, err
	}
	g, err := l.guest(ctx, wasm, inbox.ByKey)
	if err != nil {
		return comparison{}, err
	}
	n := l.scale(20_000)
	return l.compared(g, "deliver.go", 10_000, n, n, false)
}

// oneKey measures deliveries when all events are in one lane.
func oneKey(ctx context.Context, l *lab) (comparison, error) {
	g, err := l.guest(ctx, noop, inbox.ByKey)
	if err != nil {
		return comparison{}, err
	}
	n := l.scale(30_000)
	list, err := arrivals(n, 1, bodySize)
	if err != nil {
		return comparison{}, err
	}
	return comparison{end: g.close, round: func(ctx context.Context) error {
		_, raw, err := l.flushes(ctx, l.scale(5000))
		if err != nil {
			return err
		}
		r, err := l.filled(ctx, list)
		if err != nil {
			return err
		}
		defer r.remove()
		ours, err := g.deliver(ctx, r, n)
		l.add("deliver.onekey", ours)
		l.add("deliver.onekey.vs_fsync", ours/raw)
		return err
	}}, nil
}

// busyPlugins compares the rate of the handler while three plugins work with its rate without plugins.
func busyPlugins(ctx context.Context, l *lab) (comparison, error) {
	g, err := l.guest(ctx, noop, inbox.ByKey)
	if err != nil {
		return comparison{}, err
	}
	list := requests(0, l.scale(30_000))
	return comparison{end: g.close, round: func(ctx context.Context) error {
		idle, err := l.handlerBeside(ctx, g, 0, list)
		if err != nil {
			return err
		}
		busy, err := l.handlerBeside(ctx, g, 3, list)
		l.add("accept.busy.vs_idle", busy/idle)
		return err
	}}, nil
}

// handlerBeside returns the rate of the handler while n plugins work on its events.
func (l *lab) handlerBeside(ctx context.Context, g *guest, plugins int, list [][]byte) (perSecond float64, err error) {
	r, err := l.newFixture(false)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.remove()) }()
	c := newSenders(r, plugins*len(list))
	if plugins == 0 {
		close(c.full)
	}
	c.run(ctx)
	for i := range plugins {
		name := fmt.Sprintf("p%d", i)
		if err := r.Register(ctx, name, g.man.StartFrom); err != nil {
			return 0, err
		}
		c.d.SetLive(name, g.live())
	}
	perSecond, err = rate(ctx, newHandler(r), list)
	if err != nil {
		c.stop() // events that were not stored are never delivered
		return 0, errors.Join(err, <-c.end)
	}
	return perSecond, c.finish(ctx)
}
