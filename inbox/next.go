package inbox

import "time"

// Delivery is one run of one event through one plugin, with the number of its current attempt.
type Delivery struct {
	Plugin  string
	Seq     int64
	Run     int64  // 0 for the first run; the number of the replay otherwise
	Attempt int    // number of the attempt about to be made or just made, from 1
	Counted int    // attempts that already count towards MaxAttempts
	Lane    LaneID // the lane of the event
}

// Replay reports whether this is not the event's first run through the plugin.
func (d Delivery) Replay() bool { return d.Run != 0 }

// Fate is what becomes of a run after an attempt.
type Fate string

// The fates.
const (
	Done  Fate = "done"  // settled; its lane continues
	Again Fate = "again" // will be retried at Decision.DueAt; its lane waits (a replay's does not)
	Dead  Fate = "dead"  // gets no further attempt by itself
)

// Decision is the answer of Next.
type Decision struct {
	Fate    Fate
	DueAt   time.Time // for Again
	Counted int       // counted attempts from now on
	Parks   bool      // for Dead: the lane's later events wait behind it
}

// Next decides what becomes of d after an attempt with the outcome o. No other place decides it. It is pure. onHold
// means that the plugin was on hold when the attempt ended, so that the attempt is recorded but not counted. roll is a
// random number in [0,1): the wait is roll × the bound of the policy (full jitter, "Exponential Backoff And Jitter", AWS
// Architecture Blog 2015), but never less than a hundredth of it, so that a roll of zero is not a busy loop. A
// plugin's own retry_after replaces that wait: it is not jittered, at least MinRetryAfter, and at most the policy's maximum.
// No wait is shorter than MinWait, for any policy and any plugin.
//
//   - ok, skip: done.
//   - reject: dead at once; it parks the lane unless the policy continues. Block parks too: retrying for ever an event that
//     the plugin never accepts helps nobody. A payload that can no longer be read counts as a reject.
//   - anything else: another attempt, until MaxAttempts counted attempts are used up; then dead. With block, always another attempt.
//   - a replay never parks a lane: the later events of the lane have run already.
func Next(d Delivery, o Outcome, p Policy, onHold bool, roll float64, now time.Time) Decision {
	if o.Result.Settled() {
		return Decision{Fate: Done}
	}
	parks := p.OnFailure != Continue && !d.Replay()
	if o.Result == Reject || o.Result == Unreadable {
		return Decision{Fate: Dead, Counted: d.Counted + 1, Parks: parks}
	}
	counted := d.Counted
	if !onHold {
		counted++
	}
	endless := p.OnFailure == Block && !d.Replay()
	if counted >= p.MaxAttempts && !onHold && !endless {
		return Decision{Fate: Dead, Counted: counted, Parks: parks}
	}
	return Decision{Fate: Again, Counted: counted, DueAt: now.Add(max(wait(o, p, max(counted, 1), roll), MinWait(d.Attempt)))}
}

// wait returns the wait after the n-th counted attempt.
func wait(o Outcome, p Policy, n int, roll float64) time.Duration {
	if o.RetryAfter > 0 {
		return min(max(o.RetryAfter, MinRetryAfter), p.Max)
	}
	bound := p.Bound(n)
	return max(time.Duration(roll*float64(bound)), bound/100)
}

// MinRetryAfter is the shortest wait that a plugin can ask for with retry_after. A shorter one would be a busy loop that
// takes processor and disk from all others.
const MinRetryAfter = time.Second

// The bounds of MinWait.
const (
	waitStep    = 100 * time.Millisecond
	longestStep = 5 * time.Minute
)

// MinWait returns the shortest wait after the n-th attempt of a run, counted or not: 100 ms for each attempt, at most five
// minutes. So a run that is retried for ever makes some 1,300 attempts on its first day and 288 a day in the end.
func MinWait(n int) time.Duration {
	return time.Duration(min(max(n, 1), int(longestStep/waitStep))) * waitStep
}

// Due returns the real end of a wait after a number of attempts that was to end at due, seen at now. A clock that was set back
// must not stretch a wait beyond the policy's maximum, or beyond MinWait where that is longer. The result uses the
// monotonic clock of now, so that a later step of the clock does not stretch it either.
func (p Policy) Due(due, now time.Time, attempts int) time.Time {
	return now.Add(min(due.Sub(now), max(p.Max, MinWait(attempts))))
}
