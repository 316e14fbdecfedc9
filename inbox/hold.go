package inbox

import "time"

// Health is the state of a plugin as a whole. The zero value is healthy.
type Health struct {
	OnHold  bool
	Reason  string    // the failure that started the hold, for the operator
	Since   time.Time // when the hold began
	ProbeAt time.Time // when the next probe may start
	Probes  int       // probes that failed in this hold
	Streak  []Failure // failures in a row before the hold, oldest first
}

// Failure is one failed attempt of a streak.
type Failure struct {
	Lane LaneID
	Seq  int64
}

// The waits between probes of a plugin on hold.
const (
	firstProbe = 5 * time.Second
	lastProbe  = 5 * time.Minute
)

// Hold decides whether a plugin fails as a whole, after an attempt on lane with the outcome o. No other place decides it. It is
// pure. A success ends the streak or the hold. A reject is about the event and changes nothing. Any other outcome lengthens
// the streak. The plugin goes on hold when the streak has HoldAfter failures over at least HoldKeys lanes, when the attempt was
// denied something, or when the guest failed before its first event. On hold only probes run: one at a time, five
// seconds apart at first, twice as long after each, at most five minutes. A plugin with a single lane (order = "global")
// cannot fail over several keys and never goes on hold for failures: its own retries already slow it down.
func Hold(h Health, seq int64, lane LaneID, o Outcome, p Policy, now time.Time) Health {
	switch {
	case o.Interrupted || o.Result == Reject || o.Result == Unreadable:
		return h
	case o.Result.Settled():
		return Health{}
	case h.OnHold && now.Before(h.ProbeAt):
		return h // the attempt began before the hold
	case h.OnHold:
		h.Probes++
		h.ProbeAt = now.Add(probeWait(h.Probes))
		h.Reason = o.describe()
		return h
	}
	h.Streak = append(h.Streak[:len(h.Streak):len(h.Streak)], Failure{Lane: lane, Seq: seq})
	// A streak on fewer lanes than HoldKeys may be long; what matters is its end.
	if keep := 4 * max(p.HoldAfter, 1); len(h.Streak) > keep {
		h.Streak = h.Streak[len(h.Streak)-keep:]
	}
	if p.holds(h.Streak, o) {
		h.OnHold, h.Since, h.Reason = true, now, o.describe()
		h.ProbeAt = now.Add(firstProbe)
	}
	return h
}

// holds reports whether a streak that ends with o puts its plugin on hold.
func (p Policy) holds(streak []Failure, o Outcome) bool {
	return o.Result == Denied || o.AtStart || (len(streak) >= p.HoldAfter && lanesOf(streak) >= p.HoldKeys)
}

// Due returns when the next probe of a stored hold may start, seen at now. A clock that is set back, before now or later, must
// not stretch the wait.
func (h Health) Due(now time.Time) time.Time {
	return now.Add(min(h.ProbeAt.Sub(now), probeWait(h.Probes)))
}

func probeWait(n int) time.Duration {
	d := firstProbe
	for range n {
		if d *= 2; d >= lastProbe {
			return lastProbe
		}
	}
	return d
}

func lanesOf(streak []Failure) int {
	seen := make(map[LaneID]bool, len(streak))
	for _, f := range streak {
		seen[f.Lane] = true
	}
	return len(seen)
}

// describe names the outcome with the host's reason only: the plugin's words may hold personal data.
func (o Outcome) describe() string {
	if o.HostWords == 0 {
		return string(o.Result)
	}
	return string(o.Result) + ": " + o.Reason[:o.HostWords]
}
