package dispatch

import (
	"errors"
	"fmt"
	"time"

	"inbox/inbox"
)

// resetPause is the time before a loop begins again after a settlement or a read failed.
const resetPause = time.Second

// errChain says that a settlement of the chain failed; the store logged why.
var errChain = errors.New("a settlement failed")

// loop delivers the events of one plugin. Its goroutine owns all its parts, so that they need no locks. It has a few methods more
// than other types: it is the only part that decides when to load, read, start, settle, give up and stop.
type loop struct {
	name     string
	paused   func() bool   // the whole dispatcher is
	quit     chan struct{} // closed when the program stops
	log      *failureLog
	link     *link
	release  *release
	workers  *workers
	requests requests
	halted   bool      // an operator paused the plugin
	suspends int       // callers of Suspend that have not resumed
	mem      *memory   // made from the store; nil: not loaded
	retryAt  time.Time // when to load again after a failure
	why      string    // the failure
}

func newLoop(d *Dispatcher, name string) *loop {
	k := newLink(d.stop, &d.opt, name)
	return &loop{
		name: name, paused: d.Paused, quit: d.quit, log: newFailureLog(d.opt.Log, name), link: k,
		release: &release{link: k, log: d.opt.Log}, workers: newWorkers(k),
		requests: requests{asks: make(chan func(), 16), gone: make(chan struct{})},
	}
}

// run is the loop.
func (p *loop) run() {
	defer close(p.requests.gone)
	appended, unsubscribe := p.link.store.Subscribe()
	defer unsubscribe()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		p.step()
		alarm.Reset(p.nextAlarm())
		select {
		case fn := <-p.requests.asks:
			if p.takeRequests() {
				p.step() // requests of before come first
			}
			fn()
		case r := <-p.workers.results:
			p.settleAll(r)
		case <-p.link.wake:
		case <-appended:
			if p.mem != nil {
				p.mem.reader.more = true
			}
		case <-alarm.C:
		case <-p.quit:
			p.drain()
			return
		}
	}
}

// settleAll settles a result, and those that have arrived meanwhile, so that busy workers do not cost a step each. The others
// are bounded: requests and timers need the loop too.
func (p *loop) settleAll(r result) {
	for others := cap(p.workers.results); ; others-- {
		if err := p.settle(r); err != nil {
			p.reset(err)
		}
		if others == 0 {
			return
		}
		select {
		case r = <-p.workers.results:
		default:
			return
		}
	}
}

// step does all that can be done now.
func (p *loop) step() {
	p.takeRequests()
	if p.workers.running == 0 {
		p.requests.tellQuiet()
		if p.link.quiet() {
			p.requests.tellSettled()
		}
	}
	p.log.flush(p.link.now())
	if p.mem != nil && p.link.fenced() {
		p.giveUp()
	}
	if p.mem != nil && p.link.broken() {
		p.reset(errChain)
	}
	if !p.owns() {
		return
	}
	if err := p.deliver(p.mem); err != nil {
		p.reset(err)
	}
}

// owns reports whether the plugin has a release that runs and is loaded for this server. It loads the plugin if necessary.
func (p *loop) owns() bool {
	return p.release.live != nil && !p.link.fenced() && (p.mem != nil || p.load())
}

// deliver reads the log and starts attempts, as far as memory, workers and the plugin's health allow.
func (p *loop) deliver(m *memory) error {
	if m.wantsMore(p.link.now()) {
		p.link.stale = true
	}
	if p.link.stale {
		if !p.link.quiet() {
			return nil
		}
		if err := p.reread(m); err != nil {
			return err
		}
	}
	if p.idle() {
		m.starter.recall()
		m.flush()
		return nil
	}
	m.reader.changeRule()
	m.runs.ring(p.link.now())
	if p.release.health.OnHold {
		if m.starter.probeDue(p.link.now()) {
			if err := m.read(); err != nil { // lanes that were not read yet may be well
				return err
			}
			m.starter.probe(p.link.now())
		}
		m.flush()
		return nil
	}
	for more := true; more; more = m.starter.evict() {
		if err := m.read(); err != nil {
			return err
		}
		if err := m.starter.start(); err != nil {
			return err
		}
	}
	m.flush()
	return nil
}

// idle reports whether nothing may be started.
func (p *loop) idle() bool {
	return p.halted || p.suspends > 0 || p.paused() || p.link.opt.Low()
}

// nextAlarm returns how long to sleep when nothing happens.
func (p *loop) nextAlarm() time.Duration {
	now := p.link.now()
	at := now.Add(time.Minute)
	earlier := func(t time.Time) {
		if !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	earlier(p.nextStart(now))
	earlier(p.log.next())
	if p.mem != nil {
		earlier(p.mem.cursor.nextFlush())
		for _, j := range p.mem.runs.replays {
			if j.notBefore.After(now) {
				earlier(j.notBefore)
			}
		}
	}
	return max(at.Sub(now), time.Millisecond)
}

// nextStart returns the time when an attempt may start that may not start now; zero: another event will wake the loop.
func (p *loop) nextStart(now time.Time) time.Time {
	switch {
	case p.release.live == nil || p.link.fenced():
		return time.Time{}
	case p.mem == nil && !p.link.quiet():
		return time.Time{}
	case p.mem == nil:
		return p.retryAt
	case p.link.opt.Low():
		return now.Add(time.Second) // no event reports that the disk has room again
	case p.idle():
		return time.Time{}
	case p.release.health.OnHold && p.workers.running == 0:
		return p.release.health.ProbeAt
	case !p.release.health.OnHold:
		return p.mem.runs.nextDue(now)
	}
	return time.Time{}
}

// takeRequests carries out the requests of other goroutines, and reports whether there were any.
func (p *loop) takeRequests() bool {
	swap, live, look := p.requests.take()
	if swap {
		p.swap(live)
	}
	p.link.stale = p.link.stale || look
	return swap || look
}

// recall takes back the attempts that have not begun. Without memory there are none.
func (p *loop) recall() {
	if p.mem != nil {
		p.mem.starter.recall()
	}
}

// pause starts nothing from now on. The loop reads the store again, in case an operator resumed the plugin meanwhile. It closes
// quiet when nothing runs any more.
func (p *loop) pause(quiet chan struct{}) {
	p.halted, p.link.stale = true, true
	p.recall()
	p.requests.quiet = append(p.requests.quiet, quiet)
}

// suspend starts nothing until unsuspend. It closes settled when nothing runs any more and nothing is left to be settled.
func (p *loop) suspend(settled chan struct{}) {
	p.suspends++
	p.recall()
	p.requests.settled = append(p.requests.settled, settled)
}

// unsuspend ends one suspend. The plugin goes on with what is stored, which may be its first document.
func (p *loop) unsuspend() {
	p.suspends--
	p.link.stateful.Store(true)
}

// forget drops the plugin's memory and its release, so that it is loaded as a new one if it comes back. It reports false while
// an attempt or a settlement is under way.
func (p *loop) forget() bool {
	if p.release.live != nil || p.workers.running > 0 || !p.link.quiet() {
		return false
	}
	p.unload()
	p.release.forget()
	return true
}

func (p *loop) unload() {
	if p.mem != nil {
		p.mem.reader.close()
	}
	p.mem, p.link.stale = nil, false
}

// reset forgets everything after a settlement or a read failed, and waits before it begins again. It waits for the attempts
// under way and does not record them: they rest on settlements that were not made.
func (p *loop) reset(err error) {
	if p.mem == nil || p.link.fenced() {
		return
	}
	p.link.opt.Log.Error("the store did not take a settlement or a read failed; beginning again from the stored state",
		"plugin", p.name, "error", err)
	p.abandon()
	p.why = fmt.Sprintf("waits for the store: %v", err)
	p.retryAt = p.link.now().Add(resetPause)
}

// abandon ends the attempts under way without recording them, and forgets everything.
func (p *loop) abandon() {
	p.recall()
	p.workers.wait()
	p.unload()
}

// giveUp ends the plugin's work after a fence: a newer server delivers its events. Attempts under way are not recorded; the
// other server makes them again.
func (p *loop) giveUp() {
	p.link.opt.Log.Error("a newer server has taken the plugin over; this one stops delivering to it", "plugin", p.name, "term", p.link.lease.term)
	p.abandon()
	p.why = "another server delivers its events"
}

// drain ends the loop: running attempts end or are interrupted, and their outcomes are settled.
func (p *loop) drain() {
	p.recall()
	defer p.workers.start(nil)
	for p.workers.running > 0 {
		select {
		case r := <-p.workers.results:
			if err := p.settle(r); err != nil {
				p.reset(err)
			}
		case fn := <-p.requests.asks:
			fn()
		}
	}
	if p.mem != nil {
		p.mem.reader.close() // nothing reads the store any more
		if s := (&inbox.Settlement{}); !p.link.broken() && p.mem.cursor.move(s, p.link.now()) {
			p.link.submit(s)
		}
	}
	for !p.link.quiet() { // the store answers every settlement, if only with an error
		<-p.link.wake
	}
}

// status describes the loop.
func (p *loop) status() Status {
	handed := p.workers.waiting()
	s := Status{Running: p.workers.running - handed, Queued: handed}
	if p.mem == nil {
		s.Note = p.why
		return s
	}
	s.Open = p.mem.cursor.window.size()
	switch r := p.release; {
	case p.link.opt.Low():
		s.Note = "waits for disk space"
	case r.rule != r.wanted && r.live != nil:
		s.Note = fmt.Sprintf("keeps its lanes by %q until those that lag are settled, then by %q", r.rule, r.wanted)
	}
	return s
}
