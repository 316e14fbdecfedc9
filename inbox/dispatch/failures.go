package dispatch

import (
	"log/slog"
	"time"

	"inbox/inbox"
)

// failureLog writes one line per failed attempt, but not more than one per minute and result: the rest of the
// minute is summed up in one line at its end. Dead letters always get their line.
type failureLog struct {
	log    *slog.Logger
	plugin string
	since  time.Time // when the minute began; zero: no failure in it
	more   map[inbox.Result]int
}

func newFailureLog(log *slog.Logger, plugin string) *failureLog {
	return &failureLog{log: log, plugin: plugin, more: map[inbox.Result]int{}}
}

// attempt logs an attempt, with why it failed in the host's words. What the plugin said is left out: it may hold personal data.
func (f *failureLog) attempt(e *inbox.Event, a *inbox.Attempt, dead *inbox.DeadLetter) {
	args := []any{
		"plugin", f.plugin, "event", e.ID, "run", a.Run, "attempt", a.Number, "result", a.Result,
		"duration", a.Duration, "fuel", a.Fuel, "release", a.Release,
	}
	if why := a.Why(); why != "" {
		args = append(args, "why", why)
	}
	switch {
	case dead != nil && dead.Parks:
		f.log.Error("delivery is dead and its lane is parked: later events of its key wait until it is retried or discarded",
			append(args, "key", e.View.Key)...)
	case dead != nil:
		f.log.Error("delivery is dead", args...)
	case a.Result.Settled():
		f.log.Debug("delivered", args...)
	default:
		if f.since.IsZero() {
			f.since = a.StartedAt.Add(a.Duration)
		}
		if n, seen := f.more[a.Result]; seen {
			f.more[a.Result] = n + 1
			return
		}
		f.more[a.Result] = 0
		f.log.Warn("attempt failed and will be made again", args...)
	}
}

// next returns when flush has something to do, zero when never.
func (f *failureLog) next() time.Time {
	if f.since.IsZero() {
		return time.Time{}
	}
	return f.since.Add(time.Minute)
}

// flush writes the sums of a minute that is over.
func (f *failureLog) flush(now time.Time) {
	if f.since.IsZero() || now.Sub(f.since) < time.Minute {
		return
	}
	for result, n := range f.more {
		if n > 0 {
			f.log.Warn("more attempts failed the same way", "plugin", f.plugin, "result", result, "count", n, "within", "1m")
		}
		delete(f.more, result)
	}
	f.since = time.Time{}
}
