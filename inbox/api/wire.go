package api

import (
	"encoding/json"
	"time"

	"inbox/inbox"
)

// These types are the requests and answers of the API, with a field for each JSON member. The JSON names are stable. Times are
// RFC 3339 in UTC; an unset time is absent.

// Event is a stored event without its payload.
type Event struct {
	Seq               int64         `json:"seq"`
	ID                string        `json:"id"`
	Source            string        `json:"source"`
	Mode              inbox.Mode    `json:"mode"`
	Origin            inbox.Origin  `json:"origin"`
	Event             string        `json:"event"`
	EventType         string        `json:"event_type"`
	Key               string        `json:"key"`
	ExternalID        string        `json:"external_id"`
	CustomerReference string        `json:"customer_reference"`
	Verdict           inbox.Verdict `json:"verdict"`
	Status            string        `json:"status"`
	State             string        `json:"state"`
	SubStatus         string        `json:"sub_status"`
	Late              bool          `json:"late"`
	DuplicateHint     bool          `json:"duplicate_hint"`
	Secret            string        `json:"secret"` // name of the secret that matched
	Size              int           `json:"size"`   // bytes of the body
	ReceivedAt        time.Time     `json:"received_at"`
	FirstSeenAt       time.Time     `json:"first_seen_at"`
	StoredAt          time.Time     `json:"stored_at"`
	NormVersion       int           `json:"norm_version"`
	Purged            bool          `json:"purged"`
}

// EventDetail is an event with its deliveries and its payload. The payload is masked unless revealed.
type EventDetail struct {
	Event
	CausedBy   *Cause          `json:"caused_by,omitempty"` // of an event that a plugin emitted
	Copies     Copies          `json:"copies"`
	Deliveries []Delivery      `json:"deliveries"`
	Headers    []inbox.Header  `json:"headers,omitempty"`
	Body       json.RawMessage `json:"body,omitempty"`
	BodyBase64 []byte          `json:"body_base64,omitempty"` // replaces body when a revealed body is not JSON
	Note       string          `json:"note,omitempty"`        // why there is no payload
	Revealed   bool            `json:"revealed"`
}

// DeliveryLine is one delivery in a list of deliveries.
type DeliveryLine struct {
	ID        string              `json:"id"` // of the event
	Seq       int64               `json:"seq"`
	Plugin    string              `json:"plugin"`
	State     inbox.DeliveryState `json:"state"`
	Outcome   inbox.Result        `json:"outcome,omitempty"` // of the newest attempt
	Attempts  int                 `json:"attempts"`
	DueAt     time.Time           `json:"due_at,omitzero"`
	Behind    string              `json:"behind,omitempty"` // id of the event it waits behind
	Note      string              `json:"note,omitempty"`   // why its plugin is idle
	Mode      inbox.Mode          `json:"mode"`
	Key       string              `json:"key"`
	Event     string              `json:"event"`
	EventType string              `json:"event_type"`
	StoredAt  time.Time           `json:"stored_at"`
}

// Copies counts the duplicates of an event.
type Copies struct {
	Count   int64     `json:"count"`
	FirstAt time.Time `json:"first_at,omitzero"`
	LastAt  time.Time `json:"last_at,omitzero"`
}

// Delivery is one event for one plugin, with its attempts.
type Delivery struct {
	Plugin   string              `json:"plugin"`
	State    inbox.DeliveryState `json:"state"`
	Behind   string              `json:"behind,omitempty"` // id of the event it waits behind
	DueAt    time.Time           `json:"due_at,omitzero"`
	Note     string              `json:"note,omitempty"` // why its plugin is idle, or which filter excluded the event
	Attempts []Attempt           `json:"attempts"`
}

// Attempt is one attempt of a run.
type Attempt struct {
	Run       int64            `json:"run"` // 0 for the first run, else the number of the replay
	Attempt   int              `json:"attempt"`
	Outcome   inbox.Result     `json:"outcome"`
	Fate      inbox.Fate       `json:"fate"`
	Counted   bool             `json:"counted"`
	Replay    bool             `json:"replay"`
	StartedAt time.Time        `json:"started_at"`
	Millis    float64          `json:"duration_ms"`
	Fuel      int64            `json:"fuel,omitempty"` // instructions and moved bytes; absent when not counted
	Release   string           `json:"release"`
	Reason    string           `json:"reason,omitempty"`
	Log       string           `json:"log,omitempty"`
	LogCut    bool             `json:"log_cut,omitempty"`
	State     *StateChange     `json:"state,omitempty"`    // the change of state that it made
	Emitted   []Emitted        `json:"emitted,omitempty"`  // events that it emitted
	Requests  []AttemptRequest `json:"requests,omitempty"` // requests that it asked for
	Fetches   []AttemptFetch   `json:"fetches,omitempty"`  // what it asked servers while it ran
}

// Entity is one verification or customer.
type Entity struct {
	Mode              inbox.Mode    `json:"mode"`
	Key               string        `json:"key"`
	CustomerReference string        `json:"customer_reference"`
	Linked            bool          `json:"linked"` // an operator linked it to a customer reference
	Event             string        `json:"event"`
	Verdict           inbox.Verdict `json:"verdict"`
	Status            string        `json:"status"`
	Open              bool          `json:"open"`
	Events            int64         `json:"events"`
	Late              int64         `json:"late"`
	Copies            int64         `json:"copies"`
	FirstAt           time.Time     `json:"first_at"`
	LastAt            time.Time     `json:"last_at"`
}

// Timeline is a key's events in one mode, oldest first, each with its deliveries.
type Timeline struct {
	Mode     inbox.Mode    `json:"mode"`
	Key      string        `json:"key"`
	Revealed bool          `json:"revealed"`
	Events   []EventDetail `json:"events"`
}

// DeadLetter is a dead letter: a delivery that is not tried again by itself.
type DeadLetter struct {
	Plugin     string           `json:"plugin"`
	ID         string           `json:"id"` // of the event
	Seq        int64            `json:"seq"`
	Run        int64            `json:"run"`
	Attempt    int              `json:"attempt"`
	Outcome    inbox.Result     `json:"outcome"`
	Reason     string           `json:"reason,omitempty"`
	Parks      bool             `json:"parks"`
	Waiting    int64            `json:"waiting"` // later events of its lane that wait
	Mode       inbox.Mode       `json:"mode"`
	Key        string           `json:"key"`
	Event      string           `json:"event"`
	EventType  string           `json:"event_type"`
	DiedAt     time.Time        `json:"died_at"`
	Resolution inbox.Resolution `json:"resolution"` // empty, retried or discarded
	ResolvedAt time.Time        `json:"resolved_at,omitzero"`
	AtLeast    bool             `json:"waiting_at_least,omitempty"` // more may wait: the count stopped at its bound
}

// DeadLetterRef names a dead letter.
type DeadLetterRef struct {
	Plugin string `json:"plugin"`
	Seq    int64  `json:"seq"`
	Run    int64  `json:"run"`
}

// Resolve asks to retry or discard dead letters: the named ones, or all that the filter selects.
type Resolve struct {
	DeadLetters []DeadLetterRef `json:"dead_letters,omitempty"`
	IDs         []string        `json:"ids,omitempty"` // of events
	Filter      inbox.Filter    `json:"filter,omitzero"`
	All         bool            `json:"all,omitempty"` // without letters, ids and filter: every dead letter
	Reason      string          `json:"reason,omitempty"`
	DryRun      bool            `json:"dry_run,omitempty"`

	Brief      bool      `json:"brief,omitempty"`      // answer with counts only
	DiedBefore time.Time `json:"died_before,omitzero"` // with a filter: exclude later deaths
}

// Resolved is the answer to a [Resolve].
type Resolved struct {
	DryRun      bool         `json:"dry_run"`
	DeadLetters []DeadLetter `json:"dead_letters"` // the resolved dead letters, or, in a dry run, those that would be
	Failed      []Failure    `json:"failed"`
	Count       int64        `json:"count"`                      // of resolved dead letters
	Parked      int64        `json:"parked"`                     // of these, those that park their lanes
	Waiting     int64        `json:"waiting"`                    // dry run only: later events that wait behind them
	AtLeast     bool         `json:"waiting_at_least,omitempty"` // the count of waiting stopped at its bound
	AsOf        time.Time    `json:"as_of,omitzero"`             // time of the newest death when the server began
}

// Failure is one of several items that failed.
type Failure struct {
	ID     string `json:"id"`
	Plugin string `json:"plugin,omitempty"`
	Error  string `json:"error"`
}

// Plugin is a plugin: its file, its place in the log, and its backlog.
type Plugin struct {
	Name       string          `json:"name"`
	State      inbox.FileState `json:"state"`
	Live       string          `json:"live"`               // release that is live, or, without a server, was live last
	File       string          `json:"file"`               // release of the file in the plugins folder
	Pinned     string          `json:"pinned,omitempty"`   // release that a rollback chose
	Disabled   string          `json:"disabled,omitempty"` // disabled release: it failed at once or crashed the program, and does not run until the file changes
	Error      string          `json:"error,omitempty"`    // why its file was refused, is disabled, or waits
	Hint       string          `json:"hint,omitempty"`     // what to do about it
	Note       string          `json:"note,omitempty"`     // anything unusual about how it runs
	Paused     bool            `json:"paused"`             // by an operator
	OnHold     bool            `json:"on_hold"`            // it fails: only probes run
	HoldReason string          `json:"hold_reason,omitempty"`
	HeldAt     time.Time       `json:"held_at,omitzero"`
	ProbeAt    time.Time       `json:"probe_at,omitzero"`
	Cursor     int64           `json:"cursor"`
	Behind     int64           `json:"behind"`   // events of the log above the cursor
	Retrying   int64           `json:"retrying"` // lanes whose first event is retried
	Ready      int64           `json:"ready"`    // lanes that catch up
	Parked     int64           `json:"parked"`   // lanes whose first event is dead
	Dead       int64           `json:"dead"`
	Filtered   int64           `json:"filtered"`         // events that its filters excluded
	Running    int             `json:"running"`          // attempts that run
	Engine     string          `json:"engine,omitempty"` // of the live release: "compiler" or "interpreter"
	LagSeconds float64         `json:"lag_seconds"`
	CreatedAt  time.Time       `json:"created_at,omitzero"`
	Runs       bool            `json:"runs"` // one of its releases is live
}

// PluginDetail is a plugin with its module and its releases.
type PluginDetail struct {
	Plugin
	Module      *inbox.Module      `json:"module"` // of the requested release, else of the live one; null when it is gone
	Release     string             `json:"release"`
	Manifest    string             `json:"manifest"`    // of that release
	Permissions []inbox.Permission `json:"permissions"` // permissions of the requested release, else of the live one, else of its file
	Releases    []Release          `json:"releases"`    // newest first

	FilePermissions []inbox.Permission `json:"file_permissions,omitempty"` // permissions of its file as it is now, when another release is in force
}

// Removed is the answer to the removal of a plugin.
type Removed struct {
	Plugin   string `json:"plugin"`
	Releases int    `json:"releases"` // number of deleted modules
}

// Release is one version of a plugin.
type Release struct {
	ID        string    `json:"id"`
	SHA256    string    `json:"sha256"` // of the module
	Size      int64     `json:"size"`
	Live      bool      `json:"live"`
	CreatedAt time.Time `json:"created_at"`
	Actor     string    `json:"actor"` // who installed it
}

// Rollback asks to run an earlier release. An empty Release means the one before the live one.
type Rollback struct {
	Release string `json:"release,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// ActionRequest is the body of an action whose only parameter is an optional reason.
type ActionRequest struct {
	Reason string `json:"reason,omitempty"`
}

// ReplayRequest asks for a replay of stored events.
type ReplayRequest struct {
	IDs      []string            `json:"ids,omitempty"` // of events
	Filter   inbox.Filter        `json:"filter,omitzero"`
	All      bool                `json:"all,omitempty"` // without ids and filter: every event
	Only     inbox.Only          `json:"only,omitempty"`
	Plugins  []string            `json:"plugins,omitempty"`   // empty: every plugin that has a file
	Rate     float64             `json:"rate,omitempty"`      // runs started per second; 0: no limit
	OnTop    bool                `json:"on_top,omitempty"`    // plugins that keep state apply the events to their state of now
	Effects  inbox.ReplayEffects `json:"effects,omitempty"`   // must be said when a plugin may send requests
	KeepKeys bool                `json:"keep_keys,omitempty"` // requests have the idempotency keys of the first run's
	Reason   string              `json:"reason,omitempty"`
	DryRun   bool                `json:"dry_run,omitempty"`
}

// Replay is a stored replay, or, in a dry run, a replay as it would be stored.
type Replay struct {
	ID         int64               `json:"id"`
	DryRun     bool                `json:"dry_run,omitempty"`
	State      inbox.ReplayState   `json:"state,omitempty"`
	Matched    int64               `json:"matched"`
	First      *Event              `json:"first,omitempty"` // dry run only
	Last       *Event              `json:"last,omitempty"`
	Plugins    []string            `json:"plugins"`
	Only       inbox.Only          `json:"only"`
	Filter     inbox.Filter        `json:"filter,omitzero"`
	Rate       float64             `json:"rate"`
	Upto       int64               `json:"upto,omitempty"` // seq of its last event
	Actor      string              `json:"actor,omitempty"`
	Reason     string              `json:"reason,omitempty"`
	CreatedAt  time.Time           `json:"created_at,omitzero"`
	FinishedAt time.Time           `json:"finished_at,omitzero"`
	Parts      []ReplayPart        `json:"parts,omitempty"`
	Effects    inbox.ReplayEffects `json:"effects,omitempty"`
	KeepKeys   bool                `json:"keep_keys,omitempty"`
	KeepState  []string            `json:"keep_state,omitempty"` // dry run only: plugins that keep state, for which on_top must be said
	MaySend    []string            `json:"may_send,omitempty"`   // dry run only: plugins that may send requests, for which effects must be said
	Note       string              `json:"note,omitempty"`       // which part of the answer is missing, and why
}

// ReplayPart is the progress of a replay in one plugin.
type ReplayPart struct {
	Plugin   string `json:"plugin"`
	Position int64  `json:"position"`
	OK       int64  `json:"ok"`
	Dead     int64  `json:"dead"`
	Pending  int64  `json:"pending"`           // excluded: their first runs have yet to start
	Retried  int64  `json:"retried"`           // their dead first runs continue instead
	Filtered int64  `json:"filtered"`          // excluded by the plugin's filters
	Waiting  int64  `json:"waiting"`           // behind a parked lane
	Dropped  int64  `json:"dropped,omitempty"` // requests that were neither stored nor sent
	Done     bool   `json:"done"`
	Runs     int64  `json:"runs,omitempty"` // dry run only: runs that would start
}
