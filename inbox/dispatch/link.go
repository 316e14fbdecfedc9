package dispatch

import (
	"context"
	"sync/atomic"
	"time"

	"inbox/inbox"
)

// link connects one plugin's loop with the store. Every settlement leaves through submit. Single payloads arrive through
// payload, and those that filters use in bulk through [bodies]. It counts submitted and durable settlements, so that the loop knows whether memory and store agree.
//
// The fields of type atomic are shared with the store's goroutines, which report the end of a settlement. All others belong
// to the loop's goroutine.
type link struct {
	opt    *Options
	store  Store
	plugin string
	stop   context.Context // done when the grace is over; reads end then
	wake   chan struct{}   // the loop looks again: a settlement failed, or all submitted ones are durable

	lease     lease
	chain     *inbox.Chain
	submitted int64        // settlements submitted since begin
	stale     bool         // the store may hold changes that are not in memory
	stored    atomic.Int64 // settlements of this chain that are durable
	inFlight  atomic.Int64 // settlements submitted that have not ended, of any chain
	recorded  atomic.Bool  // the store knows that the live release runs
	stateful  atomic.Bool  // a lane of the plugin may have a state document
	awaited   atomic.Bool  // a lane waits until its last settlement is durable
}

// lease is the right of this server to deliver the plugin's events. It ends when a newer server takes the plugin over.
type lease struct {
	term   inbox.Term  // of the load; all settlements carry it
	fenced atomic.Bool // a settlement or a load was fenced: the lease is over
}

func newLink(stop context.Context, opt *Options, plugin string) *link {
	return &link{opt: opt, store: opt.Store, plugin: plugin, stop: stop, wake: make(chan struct{}, 1), chain: &inbox.Chain{}}
}

// now returns the time by the dispatcher's clock.
func (k *link) now() time.Time { return k.opt.Now() }

// begin starts a new chain of settlements of a term. No settlement may be in flight.
func (k *link) begin(term inbox.Term) {
	k.lease.term = term
	k.chain, k.submitted, k.stale = &inbox.Chain{}, 0, false
	k.stored.Store(0)
}

// submit passes a settlement to the store. Recording goes on while the program stops, so it ends only with the store.
func (k *link) submit(s *inbox.Settlement) {
	s.Plugin, s.Term, s.Chain = k.plugin, k.lease.term, k.chain
	k.submitted++
	k.inFlight.Add(1)
	chain := k.chain
	done := func(err error) {
		k.ended(s, chain, err)
	}
	if err := k.store.Settle(context.Background(), s, done); err != nil {
		done(err)
	}
}

// ended notes that a settlement is durable, was fenced or has failed. A failure breaks its chain: later settlements were decided on the
// ground that this one would be stored.
func (k *link) ended(s *inbox.Settlement, chain *inbox.Chain, err error) {
	switch {
	case inbox.EndOf(err) == inbox.EndFenced:
		k.lease.fenced.Store(true)
	case err != nil:
		chain.Break()
	case s.Release.Running != "":
		k.recorded.Store(true)
		k.again()
	case s.Release.Disable != nil:
		k.opt.Disabled(k.plugin)
	}
	if err == nil {
		k.stored.Add(1)
	}
	if k.inFlight.Add(-1) == 0 || err != nil || k.awaited.Load() {
		k.again()
	}
}

// again makes the loop look once more.
func (k *link) again() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// await has the end of each settlement wake the loop.
func (k *link) await() {
	if !k.awaited.Swap(true) {
		k.again() // one may have become durable just before
	}
}

// quiet reports whether no settlement is in flight.
func (k *link) quiet() bool { return k.inFlight.Load() == 0 }

// durable reports whether the n-th settlement of the chain, and all before it, are stored.
func (k *link) durable(n int64) bool { return k.stored.Load() >= n }

// fenced reports whether a newer server has taken the plugin over.
func (k *link) fenced() bool { return k.lease.fenced.Load() }

// broken reports whether a settlement of the chain failed.
func (k *link) broken() bool { return k.chain.Broken() }

// fail breaks the chain after a read failed where the caller cannot return the error. The loop begins again from the store.
func (k *link) fail(msg string, err error) {
	k.chain.Break()
	k.opt.Log.Error(msg, "plugin", k.plugin, "error", err)
}

// payload reads the payload of one event. Workers call it too.
func (k *link) payload(seq int64) (inbox.Payload, error) { return k.store.Payload(k.stop, seq) }

// noteState notes that a submitted settlement wrote a state document. Attempts that start afterwards read theirs.
func (k *link) noteState(e *inbox.Effects) {
	if e != nil && e.State != nil {
		k.stateful.Store(true)
	}
}

// state returns the state document of a lane. Workers call it too.
func (k *link) state(lane inbox.LaneID) (inbox.State, error) {
	if !k.stateful.Load() {
		return inbox.State{}, nil
	}
	return k.store.State(k.stop, k.plugin, lane)
}

// unavailable reports whether err says nothing about the event: the store cannot be read now, or the program stops.
func (k *link) unavailable(err error) bool {
	return inbox.KindOf(err) == inbox.Unavailable || k.stop.Err() != nil
}
