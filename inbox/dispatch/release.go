package dispatch

import "inbox/inbox"

// onWatch reports whether it is stored that the live release runs, and has it stored: if the program dies of its first
// attempt, the next start must know. Nothing is started meanwhile; when it is stored the pump looks again.
func (p *pump) onWatch() bool {
	if p.watched != p.release {
		p.watched = p.release
		p.watching.Store(false)
		p.settle(&inbox.Settlement{Running: p.release})
	}
	return p.watching.Load()
}

// judge says what an attempt tells of the release that made it: its first success proves it, and one that puts its plugin
// on hold before it has had any is set aside.
func (p *pump) judge(before inbox.Health, o *inbox.Outcome, s *inbox.Settlement) {
	switch {
	case o.Release != p.release || p.proven:
	case o.Result.Settled():
		p.proven, s.Proven = true, p.release
	case p.health.OnHold && !before.OnHold && p.live != nil && p.live.Yields:
		s.Aside = &inbox.Aside{Release: p.release, Why: "it put the plugin on hold at once: " + p.health.Reason}
	}
}
