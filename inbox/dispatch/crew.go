package dispatch

import (
	"context"
	"time"

	"inbox/inbox"
)

// crew makes the attempts of one release, as many at a time as it may. It is handed a few more than that, each of another
// lane, so that whoever ends one attempt begins the next without asking the pump; what has not begun can be taken back.
type crew struct {
	store Store
	stop  context.Context
	busy  func() bool
	now   func() time.Time
	live  *Live
	calls chan call
	to    chan<- result
}

// giveWay is how long an attempt waits, at most, for events that are coming in: they cannot be had again, and a plugin
// can make up for a millisecond later.
const giveWay = time.Millisecond

// call is an attempt to make.
type call struct {
	lane     *lane
	item     *item
	delivery inbox.Delivery
}

// result is an attempt that ended.
type result struct {
	lane    *lane
	item    *item
	started time.Time
	outcome inbox.Outcome
	err     error // the payload could not be read for now: not an attempt
}

// hire lets live make the attempts from now on; nil: nobody. What was handed to the crew before and has not begun is
// taken back; what has begun is ended by that crew.
func (p *pump) hire(live *Live) {
	if p.crew != nil {
		p.withdraw()
		close(p.crew.calls)
	}
	p.live, p.crew = live, nil
	if live == nil {
		return
	}
	p.crew = &crew{
		store: p.d.opt.Store, stop: p.d.stop, busy: p.d.opt.Busy, now: p.now, live: live, calls: make(chan call, live.Manifest.Concurrency), to: p.results,
	}
	for range live.Manifest.Concurrency {
		go p.crew.work()
	}
}

// spare reports whether the crew may be handed one more.
func (p *pump) spare() bool { return p.running < 2*p.live.Manifest.Concurrency }

// withdraw takes back what was handed to the crew and has not begun.
func (p *pump) withdraw() {
	for p.crew != nil {
		select {
		case c := <-p.crew.calls:
			p.running--
			c.lane.putBack(c.item)
			p.line(c.lane)
		default:
			return
		}
	}
}

func (c *crew) work() {
	for call := range c.calls {
		if c.busy() {
			c.wait()
		}
		c.to <- c.attempt(call)
	}
}

func (c *crew) wait() {
	timer := time.NewTimer(giveWay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.stop.Done():
	}
}

// attempt makes one attempt. A payload that is damaged or gone is an outcome; one that cannot be read for now is not.
func (c *crew) attempt(call call) result {
	r := result{lane: call.lane, item: call.item, started: c.now()}
	payload, err := c.store.Payload(c.stop, call.item.event.Seq)
	switch kind := inbox.KindOf(err); {
	case err == nil:
		r.outcome = c.live.Run(c.stop, call.item.event, payload, call.delivery, r.started)
		r.outcome.Release = c.live.Release
	case kind == inbox.Unavailable || c.stop.Err() != nil:
		r.err = err
	default:
		r.outcome = inbox.Outcome{Result: inbox.Unreadable, Release: c.live.Release, Reason: err.Error()}
	}
	return r
}
