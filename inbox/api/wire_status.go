package api

import (
	"time"

	"inbox/inbox"
)

// Refused is a request in the quarantine.
type Refused struct {
	ID         int64     `json:"id"`
	Source     string    `json:"source"`
	Address    string    `json:"address"`
	Why        string    `json:"why"`
	Explained  string    `json:"explained,omitempty"`
	Count      int64     `json:"count"`
	Size       int       `json:"size"`
	ReceivedAt time.Time `json:"received_at"`
	LastAt     time.Time `json:"last_at"`
	BodySize   int       `json:"body_size"` // as received; the kept body may be shorter
}

// RecheckRequest asks to verify the requests in the quarantine again with the present secrets.
type RecheckRequest struct {
	Source string `json:"source,omitempty"`
	Reason string `json:"reason,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"`
}

// Rechecked is the answer to a [RecheckRequest].
type Rechecked struct {
	DryRun     bool             `json:"dry_run"`
	Checked    int64            `json:"checked"`
	Admitted   int64            `json:"admitted"`
	Duplicates int64            `json:"duplicates"` // passed, but were stored already
	Kept       map[string]int64 `json:"kept"`       // by reason: number of requests that did not pass
	IDs        []string         `json:"ids"`        // events that were stored
	Failed     []Failure        `json:"failed"`
}

// Status is the state of the server, the store and the plugins.
type Status struct {
	Version    string     `json:"version"`
	Serving    bool       `json:"serving"` // a server runs
	Events     int64      `json:"events"`  // newest seq
	LastAt     time.Time  `json:"last_at,omitzero"`
	Copies     int64      `json:"copies"`
	FileBytes  int64      `json:"file_bytes"`
	WALBytes   int64      `json:"wal_bytes"`
	FreeBytes  uint64     `json:"free_bytes"`
	Quarantine Quarantine `json:"quarantine"`
	Plugins    []Plugin   `json:"plugins"`
	Replays    []Replay   `json:"replays"` // that are running
	Reasons    []Reason   `json:"reasons"` // to look at something; empty when nothing is wrong
	Refused    []Refusal  `json:"refused"` // in the last day, by source and reason

	Effects []EffectOrigin `json:"effects"` // outgoing requests, by plugin and origin
}

// Refusal counts requests that were refused.
type Refusal struct {
	Source string    `json:"source"` // empty when no source has the path, and for connections
	Why    string    `json:"why"`
	Lost   bool      `json:"lost"` // they had a well-formed signature and were not kept
	Count  int64     `json:"count"`
	LastAt time.Time `json:"last_at"`
}

// Quarantine sums up the refused requests that are kept.
type Quarantine struct {
	Count   int64     `json:"count"`
	Bytes   int64     `json:"bytes"`
	Dropped int64     `json:"dropped"` // since the store was created: never kept, or evicted
	Oldest  time.Time `json:"oldest,omitzero"`

	CouldPass        int64            `json:"could_pass"`         // of count: another secret could make them pass
	DroppedCouldPass int64            `json:"dropped_could_pass"` // of dropped
	DroppedBy        map[string]int64 `json:"dropped_by"`         // dropped by cause: count, bytes, age, too_large, queue, rate
	MaxCount         int64            `json:"max_count"`
	MaxBytes         int64            `json:"max_bytes"`
	MaxAgeSeconds    int64            `json:"max_age_seconds"`
	OldestExpires    time.Time        `json:"oldest_expires,omitzero"`
	LastCouldPass    time.Time        `json:"last_could_pass,omitzero"` // when the newest of could_pass arrived
}

// DiscardRequest asks to delete refused requests.
type DiscardRequest struct {
	Source string   `json:"source,omitempty"`
	Why    []string `json:"why,omitempty"` // missing, malformed, mismatch, no_secret; empty: all
	Reason string   `json:"reason,omitempty"`
}

// Discarded is the answer to a [DiscardRequest].
type Discarded struct {
	Discarded int64 `json:"discarded"` // number of deleted requests
}

// Reason is one reason for an operator to look at something.
type Reason struct {
	Code    string `json:"code"` // parked, dead, on_hold, paused, quarantine, disk, lag, refused_file, …
	Plugin  string `json:"plugin,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// BackupRequest asks for a copy of the store.
type BackupRequest struct {
	Path   string `json:"path"` // on the machine of the store
	Reason string `json:"reason,omitempty"`
}

// Backup is the answer to a [BackupRequest].
type Backup struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
}

// Check lists the damage in the store.
type Check struct {
	Problems []string `json:"problems"`
}

// AuditEntry is one recorded action.
type AuditEntry struct {
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Action string    `json:"action"`
	Target string    `json:"target"`
	Reason string    `json:"reason,omitempty"`
}

// Problem is the body of every answer that is not a success.
type Problem struct {
	Error ProblemBody `json:"error"`
}

// ProblemBody is an error with a hint for the next step.
type ProblemBody struct {
	Code    inbox.Kind `json:"code"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
}
