package api

import (
	"encoding/json"
	"time"

	"inbox/inbox"
)

// The types of this file are what goes over the wire. Their names are stable; times are RFC 3339 in UTC, absent when
// there is none.

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

// EventDetail is an event with what became of it and, masked unless revealed, its payload.
type EventDetail struct {
	Event
	Copies     Copies          `json:"copies"`
	Deliveries []Delivery      `json:"deliveries"`
	Headers    []inbox.Header  `json:"headers,omitempty"`
	Body       json.RawMessage `json:"body,omitempty"`
	BodyBase64 []byte          `json:"body_base64,omitempty"` // instead of body, revealed, when it is not JSON
	Note       string          `json:"note,omitempty"`        // why there is no payload
	Revealed   bool            `json:"revealed"`
}

// DeliveryLine is one event in one plugin, as a list of deliveries shows it.
type DeliveryLine struct {
	ID        string              `json:"id"` // of the event
	Seq       int64               `json:"seq"`
	Plugin    string              `json:"plugin"`
	State     inbox.DeliveryState `json:"state"`
	Outcome   inbox.Result        `json:"outcome,omitempty"` // of the newest attempt
	Attempts  int                 `json:"attempts"`
	DueAt     time.Time           `json:"due_at,omitzero"`
	Behind    string              `json:"behind,omitempty"` // id of the event it waits behind
	Note      string              `json:"note,omitempty"`   // why its plugin starts nothing at the moment
	Mode      inbox.Mode          `json:"mode"`
	Key       string              `json:"key"`
	Event     string              `json:"event"`
	EventType string              `json:"event_type"`
	StoredAt  time.Time           `json:"stored_at"`
}

// Copies counts how often an event came again.
type Copies struct {
	Count   int64     `json:"count"`
	FirstAt time.Time `json:"first_at,omitzero"`
	LastAt  time.Time `json:"last_at,omitzero"`
}

// Delivery is one event's way through one plugin.
type Delivery struct {
	Plugin   string              `json:"plugin"`
	State    inbox.DeliveryState `json:"state"`
	Behind   string              `json:"behind,omitempty"` // id of the event it waits behind
	DueAt    time.Time           `json:"due_at,omitzero"`
	Note     string              `json:"note,omitempty"` // why its plugin starts nothing at the moment, or what left it out
	Attempts []Attempt           `json:"attempts"`
}

// Attempt is one try.
type Attempt struct {
	Run       int64        `json:"run"` // 0 for the first run, else the number of the replay
	Attempt   int          `json:"attempt"`
	Outcome   inbox.Result `json:"outcome"`
	Fate      inbox.Fate   `json:"fate"`
	Counted   bool         `json:"counted"`
	Replay    bool         `json:"replay"`
	StartedAt time.Time    `json:"started_at"`
	Millis    float64      `json:"duration_ms"`
	Fuel      int64        `json:"fuel,omitempty"` // instructions, and bytes moved; left out when they were not counted
	Release   string       `json:"release"`
	Reason    string       `json:"reason,omitempty"`
	Log       string       `json:"log,omitempty"`
	LogCut    bool         `json:"log_cut,omitempty"`
}

// Entity is one verification or customer.
type Entity struct {
	Mode              inbox.Mode    `json:"mode"`
	Key               string        `json:"key"`
	CustomerReference string        `json:"customer_reference"`
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

// Timeline is a key's events in one mode, oldest first, each with what became of it.
type Timeline struct {
	Mode     inbox.Mode    `json:"mode"`
	Key      string        `json:"key"`
	Revealed bool          `json:"revealed"`
	Events   []EventDetail `json:"events"`
}

// Letter is a dead letter: a delivery that will not be tried again by itself.
type Letter struct {
	Plugin     string           `json:"plugin"`
	ID         string           `json:"id"` // of the event
	Seq        int64            `json:"seq"`
	Run        int64            `json:"run"`
	Attempt    int              `json:"attempt"`
	Outcome    inbox.Result     `json:"outcome"`
	Reason     string           `json:"reason,omitempty"`
	Parks      bool             `json:"parks"`
	Waiting    int64            `json:"waiting"` // later events of its lane that wait behind it
	Mode       inbox.Mode       `json:"mode"`
	Key        string           `json:"key"`
	Event      string           `json:"event"`
	EventType  string           `json:"event_type"`
	DiedAt     time.Time        `json:"died_at"`
	Resolution inbox.Resolution `json:"resolution"` // empty, retried or discarded
	ResolvedAt time.Time        `json:"resolved_at,omitzero"`
	AtLeast    bool             `json:"waiting_at_least,omitempty"` // there may be more that wait: they were not counted to the end
}

// LetterRef names a dead letter.
type LetterRef struct {
	Plugin string `json:"plugin"`
	Seq    int64  `json:"seq"`
	Run    int64  `json:"run"`
}

// Resolve asks to retry or discard dead letters: those named, or all that the filter selects.
type Resolve struct {
	Letters []LetterRef  `json:"letters,omitempty"`
	IDs     []string     `json:"ids,omitempty"` // of events
	Filter  inbox.Filter `json:"filter,omitzero"`
	All     bool         `json:"all,omitempty"` // without letters and filter: really all
	Reason  string       `json:"reason,omitempty"`
	DryRun  bool         `json:"dry_run,omitempty"`

	Brief      bool      `json:"brief,omitempty"`      // answer with counts only, without the letters
	DiedBefore time.Time `json:"died_before,omitzero"` // with a filter: leave out what died later
}

// Resolved says what became of a [Resolve].
type Resolved struct {
	DryRun  bool      `json:"dry_run"`
	Letters []Letter  `json:"letters"` // retried or discarded, or, in a dry run, those that would be
	Failed  []Failure `json:"failed"`
	Count   int64     `json:"count"`                      // of the letters
	Parked  int64     `json:"parked"`                     // of them park their lanes
	Waiting int64     `json:"waiting"`                    // dry run only: later events that follow them
	AtLeast bool      `json:"waiting_at_least,omitempty"` // they were not counted to the end
	AsOf    time.Time `json:"as_of,omitzero"`             // all open letters died before it when the server began
}

// Failure is one thing of several that did not work.
type Failure struct {
	ID     string `json:"id"`
	Plugin string `json:"plugin,omitempty"`
	Error  string `json:"error"`
}

// Plugin is a plugin: its file, its place in the log, and what waits in it.
type Plugin struct {
	Name       string          `json:"name"`
	State      inbox.FileState `json:"state"`
	Live       string          `json:"live"`                // release that runs, or, without a server, ran last
	File       string          `json:"file"`                // release that the file in the plugins folder is
	Pinned     string          `json:"pinned,omitempty"`    // release a rollback chose
	SetAside   string          `json:"set_aside,omitempty"` // release that failed at once, or ended the program; it does not run until the file changes
	Error      string          `json:"error,omitempty"`     // why its file was refused or set aside, or waits
	Hint       string          `json:"hint,omitempty"`      // what to do about it
	Note       string          `json:"note,omitempty"`      // why it does not run as one would expect
	Paused     bool            `json:"paused"`              // by an operator
	OnHold     bool            `json:"on_hold"`             // sick: only probes run
	HoldReason string          `json:"hold_reason,omitempty"`
	HeldAt     time.Time       `json:"held_at,omitzero"`
	ProbeAt    time.Time       `json:"probe_at,omitzero"`
	Cursor     int64           `json:"cursor"`
	Behind     int64           `json:"behind"`   // events of the log above the cursor
	Retrying   int64           `json:"retrying"` // lanes whose next event failed and is due again
	Ready      int64           `json:"ready"`    // lanes that catch up
	Parked     int64           `json:"parked"`   // lanes that wait behind a dead delivery
	Dead       int64           `json:"dead"`
	Filtered   int64           `json:"filtered"`         // events that its filters left out
	Running    int             `json:"running"`          // attempts under way
	Engine     string          `json:"engine,omitempty"` // of the live release: "compiler" or "interpreter"
	LagSeconds float64         `json:"lag_seconds"`
	CreatedAt  time.Time       `json:"created_at,omitzero"`
	Runs       bool            `json:"runs"` // a release of it runs now
}

// PluginDetail is a plugin with its module and its releases.
type PluginDetail struct {
	Plugin
	Module   *inbox.Module      `json:"module"` // of the release asked for, else of the live one; null when it is gone
	Release  string             `json:"release"`
	Manifest string             `json:"manifest"` // of that release
	Terms    []inbox.Permission `json:"terms"`    // what it asks for beside what it is granted: of the release asked for, else of the live one, else of its file
	Releases []Release          `json:"releases"` // newest first

	FileTerms []inbox.Permission `json:"file_terms,omitempty"` // the same of its file as it is now, when that is not what is in force
}

// Removed says what was forgotten.
type Removed struct {
	Plugin   string `json:"plugin"`
	Releases int    `json:"releases"` // whose kept modules were deleted
}

// Release is one version of a plugin.
type Release struct {
	ID        string    `json:"id"`
	SHA256    string    `json:"sha256"` // of the module
	Size      int64     `json:"size"`
	Live      bool      `json:"live"`
	CreatedAt time.Time `json:"created_at"`
	Actor     string    `json:"actor"` // who brought it
}

// Rollback asks to run an earlier release; empty means the one before the live one.
type Rollback struct {
	Release string `json:"release,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// Deed is the body of an action that needs nothing but perhaps a reason.
type Deed struct {
	Reason string `json:"reason,omitempty"`
}

// ReplayRequest asks for a replay of stored events.
type ReplayRequest struct {
	IDs     []string     `json:"ids,omitempty"` // of events
	Filter  inbox.Filter `json:"filter,omitzero"`
	All     bool         `json:"all,omitempty"` // without ids and a filter: really all events
	Only    inbox.Only   `json:"only,omitempty"`
	Plugins []string     `json:"plugins,omitempty"` // empty: every plugin that has a file
	Rate    float64      `json:"rate,omitempty"`    // runs started per second; 0: no limit
	Reason  string       `json:"reason,omitempty"`
	DryRun  bool         `json:"dry_run,omitempty"`
}

// Replay is a stored replay, or, in a dry run, what it would be.
type Replay struct {
	ID         int64          `json:"id"`
	DryRun     bool           `json:"dry_run,omitempty"`
	State      inbox.JobState `json:"state,omitempty"`
	Matched    int64          `json:"matched"`
	First      *Event         `json:"first,omitempty"` // dry run only
	Last       *Event         `json:"last,omitempty"`
	Plugins    []string       `json:"plugins"`
	Only       inbox.Only     `json:"only"`
	Filter     inbox.Filter   `json:"filter,omitzero"`
	Rate       float64        `json:"rate"`
	Upto       int64          `json:"upto,omitempty"` // seq after which events are not part of it
	Actor      string         `json:"actor,omitempty"`
	Reason     string         `json:"reason,omitempty"`
	CreatedAt  time.Time      `json:"created_at,omitzero"`
	FinishedAt time.Time      `json:"finished_at,omitzero"`
	Parts      []ReplayPart   `json:"parts,omitempty"`
	Note       string         `json:"note,omitempty"` // what is left out of this answer, and why
}

// ReplayPart is how far a replay has come in one plugin.
type ReplayPart struct {
	Plugin   string `json:"plugin"`
	Position int64  `json:"position"`
	OK       int64  `json:"ok"`
	Dead     int64  `json:"dead"`
	Pending  int64  `json:"pending"`  // left out: the first run is still to come
	Revived  int64  `json:"revived"`  // its dead first run goes on instead
	Filtered int64  `json:"filtered"` // left out: the plugin does not want it
	Waiting  int64  `json:"waiting"`  // behind a parked lane
	Done     bool   `json:"done"`
	Runs     int64  `json:"runs,omitempty"` // dry run only: would run
}
