package inbox

import "time"

// Operators see the types of this file. They hold no payload. Texts that may hold personal data (reasons, logs) are marked, and
// package operator masks them unless the request reveals them.

// Copies counts how often an event was received again.
type Copies struct {
	Count   int64
	FirstAt time.Time
	LastAt  time.Time
}

// DeliveryState is the state of one event in one plugin.
type DeliveryState string

// The states.
const (
	StateSettled  DeliveryState = "settled"  // done
	StateFiltered DeliveryState = "filtered" // the plugin's filters exclude it
	StateBefore   DeliveryState = "before"   // the plugin began after it
	StatePending  DeliveryState = "pending"  // not reached yet
	StateWaiting  DeliveryState = "waiting"  // behind an earlier event of its lane
	StateRetrying DeliveryState = "retrying" // failed, due again
	StateDead     DeliveryState = "dead"     // gets no further attempt by itself
	StateDropped  DeliveryState = "discarded"
)

// DeliveryTrace has the attempts and the state of one event in one plugin.
type DeliveryTrace struct {
	Plugin   string
	State    DeliveryState
	Behind   int64        // for StateWaiting: the seq it waits behind
	DueAt    time.Time    // for StateRetrying
	Attempts []Attempt    // all runs, oldest first
	Changes  []StateEntry // of the plugin's state, made by the attempts; without documents
	Emitted  []Emitted    // by its attempts, in the order of the log
	Requests []Effect     // that its attempts asked for, in the order of their ids; those that retention deleted are missing
	Fetches  []AttemptFetch
}

// AttemptFetch is a fetch of an attempt, without its url and answer.
type AttemptFetch struct {
	Run     int64
	Attempt int
	Index   int // in the attempt, from 0
	Fetched
}

// EventTrace is one event with its deliveries.
type EventTrace struct {
	Event      Event
	Copies     Copies
	Cause      *Cause // of an emitted event, else nil
	Deliveries []DeliveryTrace
}

// Entity is one verification or customer: all events of one key and mode.
type Entity struct {
	Mode              Mode
	Key               string
	CustomerReference string
	Linked            bool   // an operator tied it to a customer reference, see [EntityLink]
	Event             string // QoreID event of the newest
	FirstAt           time.Time
	LastAt            time.Time
	Events            int64
	Late              int64
	Copies            int64
	TopRank           int
	Verdict           Verdict // of the event of the highest rank, the newest of them
	Status            string
	Open              bool // started, and no verification_completed yet
}

// DeadLetterDetail is a dead letter with its event.
type DeadLetterDetail struct {
	DeadLetter
	HostWords int // bytes at the start of Reason that are the host's own words

	Event   Event
	Reason  string // may hold personal data
	Waiting int64  // later events of its lane that wait behind it and pass the filters of its plugin (0 unless it parks)
	AtLeast bool   // Waiting is a lower bound: the count stopped early
}

// ManyAttempts is a run with very many attempts that will be retried.
type ManyAttempts struct {
	Plugin   string
	ID       string // of the event
	Run      int64
	Attempts int
}

// Release is one version of a plugin: its bytes, manifest and config, content-addressed.
type Release struct {
	ID        string // first 16 hex digits of SHA-256 over wasm, manifest and config
	Plugin    string
	Wasm      string // SHA-256 of the module, hex
	Size      int64
	Manifest  []byte // the file; empty without one
	CreatedAt time.Time
	Actor     string
	Asks      []byte // the module's section inbox.manifest; empty without one
	Module    []byte // the description of the module from its first start, as JSON; empty before that
}

// PluginRecord is the stored record of a plugin.
type PluginRecord struct {
	Name      string
	CreatedAt time.Time
	StartedAt int64 // seq it began after
	Cursor    int64
	Paused    bool   // by the operator
	Live      string // id of the release that runs or ran last
	Pinned    string // id of the release that a rollback chose
	PinnedOff string // id of the files in the folder that the rollback replaced: the pin ends when they change
	Proven    bool   // the live release has settled an event since it went live
	Previous  string // id of the release to go back to when the live one fails at once; empty for none
	Filtered  int64  // events that its filters excluded
	LaneRule  string // the rule of its lanes, as set by a Settlement
	Health    Health
	Behind    int64     // events of the log above the cursor
	Retrying  int64     // lanes in retry
	Ready     int64     // lanes that catch up
	Parked    int64     // lanes parked
	Dead      int64     // unresolved dead letters
	HasState  bool      // a lane of it has, or had, a state document
	HasKV     bool      // it has keys of kv
	OldestAt  time.Time // when the oldest event at or above the cursor, or in a lane, was stored; zero: none waits

	StateVersion int // the highest version of its state documents: no release of a lower version goes live
}

// Refused is a request that did not pass the signature check, kept for a while.
type Refused struct {
	ID         int64
	Source     string
	Address    string    // client address
	Why        string    // missing | malformed | mismatch | no_secret
	ReceivedAt time.Time // first time
	LastAt     time.Time
	Count      int64
	Size       int
	Payload    Payload // empty in lists

	SignatureHeader string // name of the header that should hold the signature; not stored
	BodySize        int    // bytes of the body as received; more than Payload has where only its beginning is kept
	Known           bool   // the body reads as an event that QoreID documents; not stored
}

// SignatureFaults returns what can be wrong with a signature, as in the Why of a [Refused].
func SignatureFaults() []string { return []string{"missing", "malformed", "mismatch", "no_secret"} }

// CouldPass reports whether another secret could make a request pass that was refused for why.
func CouldPass(why string) bool { return why == "mismatch" || why == "no_secret" }

// QuarantineStats sums up the quarantine.
type QuarantineStats struct {
	Count   int64
	Bytes   int64
	Oldest  time.Time
	Dropped int64 // not kept, or not any more, since the store was made

	CouldPass        int64            // of Count: what another secret could make pass
	LastCouldPass    time.Time        // arrival of the last of them; zero without one
	DroppedCouldPass int64            // of Dropped
	DroppedBy        map[string]int64 // Dropped by cause: count, bytes, age, too_large, queue, rate
	MaxCount         int64            // the bounds
	MaxBytes         int64
	MaxAge           time.Duration
}

// AuditEntry is one recorded action of an operator.
type AuditEntry struct {
	At     time.Time
	Actor  string
	Action string // reveal, export, backup, replay, retry, discard, recheck, pause, resume, rollback, …
	Target string
	Reason string
}

// AuditFilter selects recorded actions. Empty fields select everything.
type AuditFilter struct {
	Action string
	Actor  string
	Since  time.Time // at or after
	Until  time.Time // before
	Limit  int       // 0: no limit
}

// StoreStats are figures for status, metrics and doctor.
type StoreStats struct {
	Events     int64 // newest seq
	FirstAt    time.Time
	LastAt     time.Time
	Copies     int64
	FileBytes  int64
	WALBytes   int64
	FreeBytes  uint64 // on the file system
	Quarantine QuarantineStats
}
