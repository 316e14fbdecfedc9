package dispatch

import (
	"container/heap"
	"errors"
	"sync/atomic"
	"time"

	"inbox/inbox"
)

// Bounds of a pump's memory and of what a start has to look at again.
const (
	readAhead  = 256     // events read from the log, or of a lane, at a time
	maxOpen    = 1024    // events in memory that are not settled
	maxSpan    = 1 << 16 // seqs between the cursor and the newest seq looked at
	lazyMoves  = 4096    // seqs the cursor may move over filtered events without being stored …
	lazyFlush  = time.Second
	resetPause = time.Second // before beginning again after a settlement failed
	runPage    = 4096        // runs with a row that are taken over at a time
)

// errChain says that a settlement of the pump's chain failed; the store logged why.
var errChain = errors.New("a settlement failed")

// errAstray says that the crew tried another event than its lane's next, which cannot be; nothing is lost by beginning again.
var errAstray = errors.New("an attempt went astray")

// pump leads one plugin. All its fields but the channels belong to its goroutine.
type pump struct {
	name string
	d    *Dispatcher
	log  *failureLog

	wishes   wishes
	asks     chan func()
	results  chan result
	signal   chan struct{} // look again: a settlement failed, or all that were handed in are durable
	gone     chan struct{} // the pump ended
	inFlight atomic.Int64  // settlements handed in that are not durable yet
	watching atomic.Bool   // it is stored that release watched runs

	live     *Live           // nil: the plugin has no release that runs
	release  string          // the one that runs or ran last
	proven   bool            // it has settled an event since it went live
	watched  string          // the release of which the store was told that it runs
	crew     *crew           // of live
	manifest *inbox.Manifest // of the release that runs or ran last
	paused   bool            // by the operator
	health   inbox.Health
	keying   inbox.Keying // what the lanes are made by
	wanted   inbox.Keying // what the live release's manifest wants them to be made by

	loaded  bool
	retryAt time.Time // when to load again after a failure
	why     string    // the failure
	chain   *inbox.Chain
	term    inbox.Term  // of what was loaded
	fenced  atomic.Bool // the plugin is another server's: a settlement or a load was fenced
	stale   bool        // an operator changed something in the store

	scanned int64 // newest seq looked at
	cursor  int64 // as handed to the store
	moved   time.Time
	skipped []int64 // seqs above the cursor that the plugin does not want
	open    *window
	settled map[int64]bool         // seqs above the stored cursor that a former process settled
	passed  map[inbox.LaneID]int64 // and the newest of them per lane
	more    bool                   // the log may hold events above scanned
	bodies  bodies                 // of the events being looked at, where filters or lanes are made by them
	next    <-chan fetched         // what follows in it, being read; nil: nothing is

	lanes   map[inbox.LaneID]*lane
	lined   [2][]*lane // lanes that may start: with a first run at their head, and with another
	rows    int        // lanes that have a row
	ahead   []*lane    // lanes whose next event was not looked at yet
	due     timers
	running int // attempts handed to the crew that have not ended
	turn    int // of probing
	jobs    []*job
	known   map[runKey]bool // other runs in memory
	unread  bool            // the store holds runs that are not in memory …
	horizon time.Time       // … which are due at this time or later
	asleep  sleepers        // lanes that are not in memory
	handed  int64           // settlements handed in since the pump was loaded
	stored  atomic.Int64    // of which so many are durable
	quiet   []chan struct{} // to be closed when nothing runs
	revived map[runKey]int  // last attempts of dead runs that were let go on by settlements still on their way
	anyDead bool            // the store may hold unresolved letters of this plugin
}

type runKey struct{ seq, run int64 }

func newPump(d *Dispatcher, name string) *pump {
	return &pump{
		name: name, d: d, log: newFailureLog(d.opt.Log, name), bodies: bodies{store: d.opt.Store},
		asks: make(chan func(), 16), results: make(chan result, 64), signal: make(chan struct{}, 1), gone: make(chan struct{}),
	}
}

// now is the time by the dispatcher's clock.
func (p *pump) now() time.Time { return p.d.opt.Now() }

// run is the pump's life.
func (p *pump) run() {
	defer close(p.gone)
	appended, unsubscribe := p.d.opt.Store.Subscribe()
	defer unsubscribe()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		p.step()
		alarm.Reset(p.nextAlarm())
		select {
		case fn := <-p.asks:
			if p.heed() {
				p.step() // what was wished for before comes first
			}
			fn()
		case r := <-p.results:
			p.ended(r)
			p.endedToo()
		case <-p.signal:
		case <-appended:
			p.more = true
		case <-alarm.C:
		case <-p.d.quit:
			p.drain()
			return
		}
	}
}

// endedToo takes what else has ended, so that a busy crew does not cost a look around for each.
func (p *pump) endedToo() {
	for range cap(p.results) {
		select {
		case r := <-p.results:
			p.ended(r)
		default:
			return
		}
	}
}

// step does all that can be done now.
func (p *pump) step() {
	p.heed()
	p.heedFence()
	p.hush()
	p.log.flush(p.now())
	if p.loaded && p.chain.Broken() {
		p.reset(errChain)
	}
	if !p.owns() {
		return
	}
	p.wantMore(p.now())
	if p.stale && !p.reread() {
		return
	}
	if p.idle() {
		p.withdraw()
		p.flush()
		return
	}
	p.rekey()
	p.ring(p.now())
	if p.health.OnHold {
		p.probe(p.now())
	} else {
		for {
			p.feed()
			p.start()
			if !p.spill() {
				break
			}
		}
	}
	p.flush()
}

// steady reports whether what is in memory is what is stored, so that attempts may begin.
func (p *pump) steady() bool { return p.loaded && !p.stale }

// idle reports whether nothing may be started.
func (p *pump) idle() bool {
	return p.paused || p.d.Paused() || p.d.opt.Low()
}

// nextAlarm returns how long to sleep when nothing happens.
func (p *pump) nextAlarm() time.Duration {
	at := p.now().Add(time.Minute)
	for _, t := range [...]time.Time{p.nextStart(), p.nextFlush(), p.log.next()} {
		if !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	for _, j := range p.jobs {
		if j.notBefore.After(p.now()) && j.notBefore.Before(at) {
			at = j.notBefore
		}
	}
	return max(at.Sub(p.now()), time.Millisecond)
}

// nextStart returns when something may be started that may not now; zero: something else will say so.
func (p *pump) nextStart() time.Time {
	switch {
	case p.live == nil || p.fenced.Load():
		return time.Time{}
	case !p.loaded && p.inFlight.Load() > 0:
		return time.Time{}
	case !p.loaded:
		return p.retryAt
	case p.d.opt.Low():
		return p.now().Add(time.Second) // nobody says when the disk has room again
	case p.idle():
		return time.Time{}
	case p.health.OnHold && p.running == 0:
		return p.health.ProbeAt
	case !p.health.OnHold:
		return p.nextDue(p.now())
	}
	return time.Time{}
}

// nextDue returns when the first lane or run is due, in memory or in the store; zero: none will be. Where those in the store
// are due already, it is the end of an attempt that makes room for them.
func (p *pump) nextDue(now time.Time) (at time.Time) {
	if len(p.due) > 0 {
		at = p.due[0].at
	}
	if p.unread && p.horizon.After(now) && (at.IsZero() || p.horizon.Before(at)) {
		at = p.horizon
	}
	return at
}

// nextFlush returns when a cursor that moved is to be stored; zero: it did not.
func (p *pump) nextFlush() time.Time {
	if p.loaded && p.open.low(p.scanned) > p.cursor {
		return p.moved.Add(lazyFlush)
	}
	return time.Time{}
}

// ring lets the lanes and runs that are due go on.
func (p *pump) ring(now time.Time) {
	for len(p.due) > 0 && !p.due[0].at.After(now) {
		t := heap.Pop(&p.due).(timer)
		switch {
		case t.run != nil && t.lane.state() == inbox.LaneParked:
			t.lane.waits--
			p.park(t.lane, t.run)
			p.doze(t.lane, p.handed)
		case t.run != nil:
			t.lane.waits--
			t.lane.join(t.run)
		case t.lane.state() == inbox.LaneRetry && !t.lane.row.DueAt.After(now):
			t.lane.row.State = inbox.LaneReady
		}
		p.line(t.lane)
	}
}

// line puts a lane that can start something into its line.
func (p *pump) line(l *lane) {
	if l.lined || l.busy != nil {
		return
	}
	if l.row != nil && l.row.State == inbox.LaneReady && len(l.queue) == 0 {
		if !p.catchUp(l) {
			return
		}
	}
	if l.head() == nil {
		if l.empty() && p.lanes[l.id] == l {
			delete(p.lanes, l.id)
		}
		return
	}
	l.lined = true
	which := 1
	if l.first() {
		which = 0
	}
	p.lined[which] = append(p.lined[which], l)
}

// start makes attempts while there are lanes that may start and room for them. First runs go before others: a
// replay yields to live traffic. Nothing starts before runs that were freed are taken over: they may have to go first.
func (p *pump) start() {
	if !p.steady() {
		return
	}
	if len(p.lined[0])+len(p.lined[1]) > 0 && !p.onWatch() {
		return
	}
	for i := range p.lined {
		for p.steady() && len(p.lined[i]) > 0 && p.spare() {
			l := p.lined[i][0]
			p.lined[i] = p.lined[i][1:]
			l.lined = false
			if l.head() == nil {
				p.line(l) // what it stood in line with was dropped: it may be forgotten
				continue
			}
			switch wanted, err := p.stillWanted(l); {
			case err != nil:
				p.reset(err)
			case wanted:
				p.hand(l)
			}
		}
	}
}
