package dispatch

import (
	"fmt"

	"inbox/inbox"
)

// reset forgets everything, after a settlement or a read failed, and waits before it begins again. Attempts that
// are still running belong to what is forgotten: they are waited for, and what they came to is not recorded, since it
// rests on settlements that were not made.
func (p *pump) reset(err error) {
	if !p.loaded || p.fenced.Load() {
		return
	}
	p.d.opt.Log.Error("the store did not take what a plugin came to; beginning again from what is stored",
		"plugin", p.name, "error", err)
	p.abandon()
	p.loaded, p.why = false, fmt.Sprintf("waits for the store: %v", err)
	p.retryAt = p.now().Add(resetPause)
}

// abandon ends the attempts under way without recording them.
func (p *pump) abandon() {
	p.withdraw()
	for p.running > 0 {
		if r := <-p.results; r.next == 0 {
			p.running--
		}
	}
}

// owns reports whether the plugin has a release that runs and is loaded for this server, and loads it if need be.
func (p *pump) owns() bool {
	return p.live != nil && !p.fenced.Load() && (p.loaded || p.load())
}

// heedFence ends the plugin's work if a settlement was fenced.
func (p *pump) heedFence() {
	if p.loaded && p.fenced.Load() {
		p.giveUp()
	}
}

// giveUp ends the plugin's work after a fence: another server delivers its events now, so nothing is loaded again. Attempts
// under way are not recorded. The other server makes them again.
func (p *pump) giveUp() {
	p.d.opt.Log.Error("a newer server has taken the plugin over; this one stops delivering to it", "plugin", p.name, "term", p.term)
	p.abandon()
	p.loaded, p.why = false, "another server delivers its events"
}

// drain ends the pump: running attempts end or are interrupted, and what they came to is settled.
func (p *pump) drain() {
	p.withdraw()
	defer p.hire(nil)
	for p.running > 0 {
		select {
		case r := <-p.results:
			p.ended(r)
		case fn := <-p.asks:
			fn()
		}
	}
	if p.loaded && !p.chain.Broken() {
		if s := (&inbox.Settlement{}); p.moveCursor(s) {
			p.settle(s)
		}
	}
	if p.next != nil {
		<-p.next // nothing reads the store any more
	}
	for p.inFlight.Load() > 0 { // the store answers every settlement, if only with an error
		<-p.signal
	}
}

// status describes the pump.
func (p *pump) status() Status {
	s := Status{Running: p.running}
	if p.crew != nil {
		s.Handed = len(p.crew.calls)
		s.Running -= s.Handed
	}
	if !p.loaded {
		s.Note = p.why
		return s
	}
	s.Open = p.open.size()
	switch {
	case p.d.opt.Low():
		s.Note = "waits for disk space"
	case p.keying != p.wanted && p.live != nil:
		s.Note = fmt.Sprintf("keeps its lanes by %q until those that lag are settled, then by %q", p.keying, p.wanted)
	}
	return s
}
