package inbox

import (
	"sync/atomic"
	"time"
)

// Attempt is one recorded attempt. It is written once, in the commit that settles it.
type Attempt struct {
	Plugin    string
	Seq       int64
	Run       int64
	Number    int // from 1, per run
	Result    Result
	Fate      Fate // the decision of Next
	Counted   bool // towards MaxAttempts
	StartedAt time.Time
	Duration  time.Duration
	Fuel      int64 // zero when it was not counted
	Release   string
	Reason    string // kept beside the payloads
	HostWords int    // bytes at its start that are the host's own words
	Log       []byte // kept beside the payloads
	LogCut    bool
}

// Why returns the host's words about the attempt: the part of its reason that may be logged and shown.
func (a *Attempt) Why() string { return a.Reason[:min(a.HostWords, len(a.Reason))] }

// Run is a run with a row of its own: a replayed run that waits for its next attempt or behind a parked lane, or a dead first run
// that was retried after its lane had continued.
type Run struct {
	Plugin  string
	Seq     int64
	Run     int64 // the replay, or 0 for a retried first run whose lane had continued
	Replay  int64 // the replay that counts it; 0 for none
	Lane    LaneID
	Waits   bool // behind a lane that is parked; otherwise it is due at DueAt
	DueAt   time.Time
	Attempt int // attempts already made
	Counted int
}

// DeadLetter is a delivery that gets no further attempt by itself.
type DeadLetter struct {
	Plugin     string
	Seq        int64
	Run        int64
	Attempt    int // number of its last attempt
	Lane       LaneID
	Parks      bool // its lane is parked behind it
	Result     Result
	DiedAt     time.Time
	Resolution Resolution
	ResolvedAt time.Time
}

// Resolution is what an operator did with a dead letter.
type Resolution string

// The resolutions.
const (
	Unresolved Resolution = ""
	Retried    Resolution = "retried"
	Discarded  Resolution = "discarded"
	Released   Resolution = "released" // of a held effect: it is sent
	Dropped    Resolution = "dropped"  // of an effect that is held, or still to be sent: it is not sent
)

// Effects returns the states of the effects that a resolution is for.
func (r Resolution) Effects() []EffectState {
	switch r {
	case Released:
		return []EffectState{EffectHeld}
	case Dropped:
		return []EffectState{EffectHeld, EffectWaiting, EffectRetry}
	}
	return []EffectState{EffectDead}
}

// Settlement is the set of changes of one attempt, or of one step of the dispatcher without an attempt. It is one transaction:
// all of it commits, or nothing. The zero value of a field changes nothing.
type Settlement struct {
	Plugin   string
	Term     Term   // the term of the load that it depends on
	Chain    *Chain // settlements of one chain commit in their order, and none after one that failed; nil: alone
	Attempt  *Attempt
	Position PositionChange
	Lane     LaneChange
	Run      RunChange
	Dead     *DeadLetter // put this dead letter; with a Resolution: resolve the unresolved one of its (plugin, seq, run)
	Replay   *ReplayStep
	Health   HealthChange
	Release  ReleaseChange
	Effects  *Effects // of the attempt
}

// PositionChange moves a plugin's place in the log.
type PositionChange struct {
	Cursor   int64 // from now on; 0 leaves it; it never goes back
	Filtered int64 // events that the plugin's filters excluded and that the cursor passes
}

// LaneChange changes the row of a lane.
type LaneChange struct {
	Put  *Lane   // put this row
	Gone *LaneID // delete this row; runs that waited behind the lane become due at once
}

// RunChange changes the row of a run.
type RunChange struct {
	Put  *Run // put this row
	Gone *Run // delete the row of this (plugin, seq, run)
}

// HealthChange changes the health of a plugin.
type HealthChange struct {
	Set     *Health
	Uncount []Failure // uncount one attempt of each lane in retry whose next event is the failure's seq, and its newest counted attempt
}

// ReleaseChange records facts about a plugin's releases.
type ReleaseChange struct {
	LaneRule string   // the rule of the plugin's lanes from now on; empty leaves it
	Running  string   // this release is about to make its first attempt in this life of the program
	Proven   string   // this release has settled its first event since it went live
	Disable  *Disable // disable the live release, if it has a fallback
}

// Chain ties the settlements of a plugin together: each was decided on the assumption that those before it
// commit. The store breaks the chain when one of them fails, and refuses the rest. The dispatcher then begins again
// from the stored state, with a new chain.
type Chain struct{ broken atomic.Bool }

// Break marks the chain as broken.
func (c *Chain) Break() { c.broken.Store(true) }

// Broken reports whether a settlement of the chain failed.
func (c *Chain) Broken() bool { return c.broken.Load() }

// Only narrows a replay by the state of an event in a plugin.
type Only string

// The choices.
const (
	OnlyAll     Only = "all"     // every event (the default)
	OnlyFailed  Only = "failed"  // its last attempt failed and no retry is due
	OnlyMissing Only = "missing" // the plugin never attempted it
)

// ReplayState is the state of a replay.
type ReplayState string

// The states.
const (
	ReplayRunning   ReplayState = "running"
	ReplayDone      ReplayState = "done"
	ReplayCancelled ReplayState = "cancelled"
)

// Replay is a stored replay: selected events, in the order of the log, through chosen plugins.
type Replay struct {
	ID         int64
	CreatedAt  time.Time
	FinishedAt time.Time // zero while it runs
	Actor      string
	Reason     string
	Filter     Filter
	Only       Only
	Plugins    []string
	Upto       int64         // newest seq when it was created; later events are not part of it
	Rate       float64       // runs started per second over all plugins; 0 means no limit
	Effects    ReplayEffects // empty when it is created: SendEffects
	KeepKeys   bool          // its requests have the idempotency keys of the first run's, so that receivers drop what they know
	Matched    int64         // events that matched when it was created
	State      ReplayState
	Parts      []ReplayPart
}

// ReplayPart is the progress of a replay in one plugin.
type ReplayPart struct {
	Replay   int64
	Plugin   string
	Position int64 // every selected event at or below it ran, was skipped, or has a run row
	ReplayCount
	Done    bool
	Dropped int64 // requests that were neither stored nor sent
}

// ReplayCount counts the events of a replay by their ends.
type ReplayCount struct {
	OK       int64 // ran and settled
	Dead     int64 // ran and died
	Pending  int64 // skipped: its first run is still to come or under way
	Retried  int64 // skipped: its dead first run was retried instead
	Filtered int64 // skipped: the plugin's filters exclude it
	Waiting  int64 // has a run row behind a parked lane
}

// ReplayStep moves a part of a replay.
type ReplayStep struct {
	Replay   int64
	Plugin   string
	Position int64       // 0 leaves it
	Add      ReplayCount // added to the counts; may be negative
	Done     bool
}
