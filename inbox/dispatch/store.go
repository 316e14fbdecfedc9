package dispatch

import (
	"context"

	"inbox/inbox"
)

// Log is the log of events.
type Log interface {
	// EventsAfter returns up to limit events with seqs above after, in order.
	EventsAfter(ctx context.Context, after int64, limit int) ([]inbox.Event, error)
	// LaneEvents returns up to limit events of an event key with from <= seq <= upto, in order.
	LaneEvents(ctx context.Context, mode inbox.Mode, key string, from, upto int64, limit int) ([]inbox.Event, error)
	// ReferenceEvents is LaneEvents for a customer reference.
	ReferenceEvents(ctx context.Context, mode inbox.Mode, ref string, from, upto int64, limit int) ([]inbox.Event, error)
	// Subscribe returns a channel that wakes after events were appended, and a function that ends it.
	Subscribe() (<-chan struct{}, func())
}

// Payloads holds the bodies of events.
type Payloads interface {
	// Payload returns the payload of an event. It fails for damaged and purged ones; errors of kind [inbox.Unavailable] say
	// that it cannot be read for now.
	Payload(ctx context.Context, seq int64) (inbox.Payload, error)
	// Payloads reads payloads in bulk. It returns the first of seqs, in order, up to the store's bounds, and at least one. An
	// error of one payload is in its answer; an error of the call says nothing about any of them.
	Payloads(ctx context.Context, seqs []int64) ([]inbox.PayloadOf, error)
	// LaneDigest returns the digest that is stored in place of a value of a body that makes a lane.
	LaneDigest(value string) string
}

// Ledger holds the outcomes.
type Ledger interface {
	// Load begins the work on a plugin: it returns the plugin's record, and the term that its settlements must carry. It
	// returns [inbox.ErrFenced] when a newer server has the plugin.
	Load(ctx context.Context, plugin string) (*inbox.PluginRecord, inbox.Term, error)
	// Record returns the record of a plugin: cursor, health, lane rule, counts.
	Record(ctx context.Context, plugin string) (*inbox.PluginRecord, error)
	// SettledAbove returns the seqs above seq that have an attempt of the run whose fate is done or dead, ascending.
	SettledAbove(ctx context.Context, plugin string, run int64, seq int64) ([]int64, error)
	// Settle queues a settlement and returns; done is called once it has ended, see [inbox.EndOf].
	Settle(ctx context.Context, s *inbox.Settlement, done func(error)) error
}

// Effects holds what plugins keep. Reads see the settlements that are submitted, durable or not.
type Effects interface {
	// State returns the state document of a lane.
	State(ctx context.Context, plugin string, lane inbox.LaneID) (inbox.State, error)
	// KV returns the kv of a plugin and mode.
	KV(plugin string, mode inbox.Mode) inbox.KV
	// Current reports whether the reads of an attempt hold against everything submitted so far. Only the plugin's loop
	// submits, so the answer is true until it submits again.
	Current(ctx context.Context, plugin string, mode inbox.Mode, e *inbox.Effects) (bool, error)
	// ReplayJournal returns what answers the fetches of a replayed event; nil: they are sent.
	ReplayJournal(ctx context.Context, plugin string, seq, replay int64) (*inbox.Journal, error)
}

// Lanes holds the lanes that lag. There may be more of them than belong in memory.
type Lanes interface {
	// EachLane calls fn for every lane of a plugin that lags.
	EachLane(ctx context.Context, plugin string, fn func(inbox.LaneID, inbox.LaneState)) error
	// Lanes returns up to limit lanes in a state, those with the oldest next event first; a limit of 0 returns all.
	Lanes(ctx context.Context, plugin string, state inbox.LaneState, limit int) ([]inbox.Lane, error)
	// Lane returns one lane, nil when it does not lag.
	Lane(ctx context.Context, plugin string, id inbox.LaneID) (*inbox.Lane, error)
}

// Runs holds the runs other than first ones.
type Runs interface {
	// Runs returns up to limit runs that do not wait behind a lane, by due time, run and seq.
	Runs(ctx context.Context, plugin string, limit int) ([]inbox.Run, error)
	// ReplayRuns returns how many of them a replay counts.
	ReplayRuns(ctx context.Context, plugin string, replay int64) (int, error)
	// IsRetried reports whether the first run of an event has a row: it died, and was retried.
	IsRetried(ctx context.Context, plugin string, seq int64) (bool, error)
	// DeadLetter returns the unresolved dead letter of an event, and an error of kind [inbox.NotFound] without one.
	DeadLetter(ctx context.Context, plugin string, seq int64) (*inbox.DeadLetter, error)
}

// Replays holds the stored replays.
type Replays interface {
	// Replays returns the replays that run and have a part in the plugin.
	Replays(ctx context.Context, plugin string) ([]inbox.Replay, error)
	// LinkedReference returns the customer reference that a key is linked to, empty without a link.
	LinkedReference(ctx context.Context, mode inbox.Mode, key string) (string, error)
	// Match returns up to limit events of a replay with seqs above after, and the seq up to which it searched.
	Match(ctx context.Context, replay *inbox.Replay, plugin string, after int64, limit int) (events []inbox.Event, upto int64, err error)
}

// Events is the log with its payloads.
type Events interface {
	Log
	Payloads
}

// Reruns is where runs other than first ones come from.
type Reruns interface {
	Runs
	Replays
}

// Store is all that dispatch asks of the store.
type Store interface {
	Events
	Ledger
	Effects
	Lanes
	Reruns
}
