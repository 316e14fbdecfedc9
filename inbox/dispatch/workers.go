package dispatch

import (
	"context"
	"sync"
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

	mu      sync.Mutex
	recalls int64 // counts the times when what has not begun was taken back; the pump's to change
}

// begin returns when an attempt begins, and false when it was taken back before: then it must not. Both are decided in one
// step: what the pump takes back does not begin afterwards.
func (c *crew) begin(recalls int64) (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now(), c.recalls == recalls
}

// recall takes back all that was handed to the crew and has not begun.
func (c *crew) recall() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recalls++
}

// giveWay is how long an attempt waits, at most, for events that are coming in: they cannot be had again, and a plugin
// can make up for a millisecond later.
const giveWay = time.Millisecond

// Bounds of how long one lane may keep what makes its attempts to itself, while others wait for it.
const (
	runLength = 64
	runTime   = 5 * time.Millisecond
)

// call is an attempt to make, and the lane's events behind it: as long as each ends well, the next may be tried at once.
type call struct {
	lane     *lane
	item     *item
	delivery inbox.Delivery
	behind   []*inbox.Event
	recalls  int64 // of the crew, when it was handed over
}

// result is an attempt that ended.
type result struct {
	lane    *lane
	next    int64 // the lane's next event, which is being tried already; 0: none is
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
			p.crew.recall()
			return
		}
	}
}

// hand hands a lane's head to the crew, with what stands behind it.
func (p *pump) hand(l *lane) {
	it := l.take()
	c := call{lane: l, item: it, recalls: p.crew.recalls, delivery: inbox.Delivery{
		Plugin: p.name, Seq: it.event.Seq, Run: it.run, Attempt: it.attempt + 1, Tries: it.tries, Lane: l.id,
	}}
	if it.first() && !p.health.OnHold {
		for i := range l.queue[:min(len(l.queue), runLength-1)] {
			if l.queue[i].sorted != p.manifest {
				break // queued for another release: it is asked first whether this one wants it
			}
			c.behind = append(c.behind, l.queue[i].event)
		}
	}
	p.running++
	p.crew.calls <- c // it has room: spare was asked, or nothing runs
}

// goesOn takes the head of a lane that the crew is trying already.
func (p *pump) goesOn(l *lane, seq int64) {
	if h := l.head(); h == nil || !l.first() || h.event.Seq != seq {
		p.reset(errAstray)
		return
	}
	l.take()
}

func (c *crew) work() {
	for call := range c.calls {
		c.lead(call)
	}
}

// lead makes attempts in a lane, one after the other, until one does not end well, or something else is to be done. What was
// taken back before it began is answered as interrupted.
func (c *crew) lead(call call) {
	began := time.Now()
	event, d := call.item.event, call.delivery
	for {
		if c.busy() {
			c.wait()
		}
		started, ok := c.begin(call.recalls)
		if !ok {
			c.to <- result{lane: call.lane, outcome: inbox.Outcome{Interrupted: true}}
			return
		}
		r := c.attempt(event, d, started)
		r.lane = call.lane
		well := r.err == nil && !r.outcome.Interrupted && r.outcome.Result.Settled()
		if well && len(call.behind) > 0 && time.Since(began) < runTime && c.stop.Err() == nil {
			event, call.behind = call.behind[0], call.behind[1:]
			r.next = event.Seq
		}
		c.to <- r
		if r.next == 0 {
			return
		}
		d.Seq, d.Attempt, d.Tries = event.Seq, 1, 0
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
func (c *crew) attempt(e *inbox.Event, d inbox.Delivery, started time.Time) result {
	r := result{started: started}
	payload, err := c.store.Payload(c.stop, e.Seq)
	switch kind := inbox.KindOf(err); {
	case err == nil:
		r.outcome = c.live.Run(c.stop, e, payload, d, r.started)
		r.outcome.Release = c.live.Release
	case kind == inbox.Unavailable || c.stop.Err() != nil:
		r.err = err
	default:
		r.outcome = inbox.Outcome{Result: inbox.Unreadable, Release: c.live.Release, Reason: err.Error(), HostWords: len(err.Error())}
	}
	return r
}
