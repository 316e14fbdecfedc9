package dispatch

import (
	"slices"
	"time"

	"inbox/inbox"
)

// probe makes one attempt of a plugin on hold, when it is time and nothing else runs: at the head of the lane that
// was probed the longest ago, so that one bad event cannot hold the plugin for ever.
func (p *pump) probe(now time.Time) {
	if p.running > 0 || now.Before(p.health.ProbeAt) {
		return
	}
	p.feed() // lanes that were not read yet may be well
	if !p.steady() {
		return
	}
	l := p.patient()
	if l == nil {
		p.health.ProbeAt = now.Add(time.Second) // nothing to probe with yet
		return
	}
	if !p.onWatch() {
		return
	}
	p.turn++
	l.probed = p.turn
	if l.row != nil && l.row.State == inbox.LaneRetry {
		l.row.State = inbox.LaneReady
	}
	if l.row != nil && len(l.queue) == 0 && (!p.catchUp(l) || l.head() == nil) {
		return
	}
	p.unline(l)
	p.hand(l)
}

// unline takes a lane out of the lines of those that may start: what it would start is started now, and a lane that
// stands in line with nothing at its head would not come to stand there again.
func (p *pump) unline(l *lane) {
	if !l.lined {
		return
	}
	l.lined = false
	for i := range p.lined {
		p.lined[i] = slices.DeleteFunc(p.lined[i], func(other *lane) bool { return other == l })
	}
}

// patient returns the lane to probe next, nil when there is none.
func (p *pump) patient() *lane {
	var best *lane
	for _, l := range p.lanes {
		waiting := l.row != nil && l.row.State != inbox.LaneParked && l.row.Next <= p.scanned
		if l.busy != nil || (!waiting && l.head() == nil) {
			continue
		}
		if best == nil || l.probed < best.probed {
			best = l
		}
	}
	return best
}

// hurry lets every lane that waits for its retry go on at once: the hold is over, and the waits were the hold's.
func (p *pump) hurry() {
	for _, l := range p.lanes {
		if l.state() == inbox.LaneRetry {
			l.row.State = inbox.LaneReady
		}
		p.line(l)
	}
}
