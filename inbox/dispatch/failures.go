package dispatch

import (
	"log/slog"
	"time"

	"inbox/inbox"
)

// failureLog logs failed attempts: the first of a minute and result in a line of its own, the others of the minute as a count
// at its end. Every dead letter is logged in a line of its own.
type failureLog struct {
	log    *slog.Logger
	plugin string
	since  time.Time // begin of the minute; zero: no failure yet
	more   map[inbox.Result]int
}

func newFailureLog(log *slog.Logger, plugin string) *failureLog {
	return &failureLog{log: log, plugin: plugin, more: map[inbox.Result]int{}}
}

// attempt logs an attempt, with the reason of a failure in the host's words. The plugin's words may hold personal data and are
// not logged.
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

// next returns the time when flush has counts to log, zero without counts.
func (f *failureLog) next() time.Time {
	if f.since.IsZero() {
		return time.Time{}
	}
	return f.since.Add(time.Minute)
}

// flush logs the counts of a minute that is over.
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
