package dispatch

import (
	"sync"
	"time"

	"inbox/inbox"
)

// Bounds of how long one lane may keep a worker to itself while other lanes wait.
const (
	runLength = 64
	runTime   = 5 * time.Millisecond
)

// giveWay is the longest wait of an attempt for incoming events. Senders may not repeat an event, and a plugin can make up for
// a millisecond later.
const giveWay = time.Millisecond

// call is an attempt to make, and the lane's events behind it. While each attempt succeeds, the worker makes the next one
// at once. Workers carry the lane and never look into it: it belongs to the loop.
type call struct {
	lane     *lane
	event    *inbox.Event
	delivery inbox.Delivery
	behind   []*inbox.Event
	recalls  int64 // of the pool, when the call was passed to it
}

// result is an attempt that ended.
type result struct {
	lane    *lane
	next    int64 // seq of the lane's next event, whose attempt is under way already; 0: there is no such attempt
	started time.Time
	outcome inbox.Outcome
	err     error // the payload could not be read for now: not an attempt
}

// workers is the loop's side of the worker pools: the pool of the live release, and the attempts under way in any pool.
type workers struct {
	link    *link
	results chan result
	running int   // attempts passed to a pool that have not ended
	pool    *pool // of the live release; nil without one
}

func newWorkers(k *link) *workers { return &workers{link: k, results: make(chan result, 64)} }

// start makes a pool for live, and no pool for nil. The pool of before ends the attempts that it has begun. Its other calls must
// have been recalled.
func (w *workers) start(live *Live) {
	if w.pool != nil {
		close(w.pool.calls)
	}
	if w.pool = nil; live == nil {
		return
	}
	w.pool = &pool{link: w.link, live: live, calls: make(chan call, live.Manifest.Concurrency), to: w.results}
	for range live.Manifest.Concurrency {
		go w.pool.work()
	}
}

// free reports whether the pool may be passed one more call. A few more than it has workers may wait, each of another lane, so
// that a worker that ends one attempt starts the next without asking the loop.
func (w *workers) free() bool { return w.running < 2*w.pool.live.Manifest.Concurrency }

// pass passes a call to the pool. The pool has room: the loop asked free, or nothing runs.
func (w *workers) pass(c call) {
	c.recalls = w.pool.recalls
	w.running++
	w.pool.calls <- c
}

// recall takes back the calls that have not begun, and returns their lanes. A worker that has received a call and has not
// begun answers it as interrupted.
func (w *workers) recall() (lanes []*lane) {
	for w.pool != nil {
		select {
		case c := <-w.pool.calls:
			w.running--
			lanes = append(lanes, c.lane)
		default:
			w.pool.recall()
			return lanes
		}
	}
	return nil
}

// ended counts a result that the loop has received.
func (w *workers) ended(r result) {
	if r.next == 0 {
		w.running--
	}
}

// wait waits for all attempts under way and drops their results.
func (w *workers) wait() {
	for w.running > 0 {
		w.ended(<-w.results)
	}
}

// waiting returns the number of calls that no worker has received.
func (w *workers) waiting() int {
	if w.pool == nil {
		return 0
	}
	return len(w.pool.calls)
}

// pool makes the attempts of one release, on as many goroutines as the release may use.
type pool struct {
	link  *link
	live  *Live
	calls chan call
	to    chan<- result

	mu      sync.Mutex
	recalls int64 // number of recalls; the loop changes it
}

// begin returns when an attempt begins, and false when it was recalled before: then it must not begin. One lock covers both, so
// that a recalled attempt does not begin afterwards.
func (p *pool) begin(recalls int64) (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link.now(), p.recalls == recalls
}

// recall makes all calls that have not begun invalid.
func (p *pool) recall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recalls++
}

func (p *pool) work() {
	for c := range p.calls {
		p.run(c)
	}
}

// run makes attempts in a lane, one after the other, until one does not succeed or its turn is over. A call that was recalled
// before it began is answered as interrupted.
func (p *pool) run(c call) {
	began := time.Now()
	w := inbox.Work{Event: c.event, Delivery: c.delivery}
	carried := false // w.State is that of the attempt before
	for {
		if p.link.opt.Busy() {
			p.giveWay()
		}
		started, ok := p.begin(c.recalls)
		if !ok {
			p.to <- result{lane: c.lane, outcome: inbox.Outcome{Interrupted: true}}
			return
		}
		w.Now = started
		r := p.attempt(&w, carried)
		r.lane = c.lane
		well := r.err == nil && !r.outcome.Interrupted && r.outcome.Result.Settled()
		if well && len(c.behind) > 0 && time.Since(began) < runTime && p.link.stop.Err() == nil {
			w.Event, c.behind = c.behind[0], c.behind[1:]
			r.next = w.Event.Seq
			carried = true
		}
		p.to <- r
		if r.next == 0 {
			return
		}
		w.Delivery.Seq, w.Delivery.Attempt, w.Delivery.Counted = r.next, 1, 0
	}
}

func (p *pool) giveWay() {
	timer := time.NewTimer(giveWay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.link.stop.Done():
	}
}

// attempt makes one attempt, with the state in w if it is carried, else with that of the store. It leaves in w the state for
// the next attempt of the lane. A payload that is damaged or gone is an outcome; one that cannot be read for now is not.
func (p *pool) attempt(w *inbox.Work, carried bool) result {
	r := result{started: w.Now}
	var err error
	if w.Payload, err = p.link.payload(w.Event.Seq); err == nil && !carried {
		w.State, err = p.link.state(w.Delivery.Lane)
	}
	if w.Journal = nil; err == nil && p.live.Fetches && w.Delivery.Run != 0 {
		w.Journal, err = p.link.store.ReplayJournal(p.link.stop, p.link.plugin, w.Event.Seq, w.Delivery.Run)
	}
	switch {
	case err == nil:
		if p.live.UsesKV {
			w.KV = p.link.store.KV(p.link.plugin, w.Delivery.Lane.Mode)
		}
		r.outcome = p.live.Run(p.link.stop, w)
		r.outcome.Release, r.err = p.live.Release, r.outcome.Unavailable
		if e := r.outcome.Effects; e != nil && e.State != nil && r.outcome.Result.Settled() {
			w.State = e.State.Next()
		}
	case p.link.unavailable(err):
		r.err = err
	default:
		r.outcome = inbox.Outcome{Result: inbox.Unreadable, Release: p.live.Release, Reason: err.Error(), HostWords: len(err.Error())}
	}
	return r
}
