package api

import (
	"encoding/json"
	"time"

	"inbox/inbox"
)

// Effect is a request that a plugin asked for, without its content.
type Effect struct {
	ID         int64             `json:"id"`
	Plugin     string            `json:"plugin"`
	State      inbox.EffectState `json:"state"`
	Method     string            `json:"method"`
	Origin     string            `json:"origin"`           // scheme, host and port of its url
	Status     int               `json:"status,omitempty"` // of the newest response
	Why        string            `json:"why,omitempty"`    // why the newest try failed
	Tries      int               `json:"tries"`
	Counted    int               `json:"counted"` // tries that count towards max_attempts
	Parks      bool              `json:"parks"`   // it is dead, and later requests of its lane wait behind it
	EventID    string            `json:"event_id"`
	Seq        int64             `json:"seq"` // of the event
	Run        int64             `json:"run"`
	Attempt    int               `json:"attempt"` // the attempt that asked
	Index      int               `json:"index"`   // in the attempt's result
	Mode       inbox.Mode        `json:"mode"`
	Key        string            `json:"key"`             // of the lane
	Idempotent string            `json:"idempotency_key"` // the header Idempotency-Key
	Then       string            `json:"then,omitempty"`  // name of the event that its end becomes
	CreatedAt  time.Time         `json:"created_at"`
	DueAt      time.Time         `json:"due_at,omitzero"`
	FinishedAt time.Time         `json:"finished_at,omitzero"`
}

// EffectDetail is an effect with its request and its tries. What may be personal is masked unless revealed. The values of secrets are
// not stored, and never shown.
type EffectDetail struct {
	Effect
	URL         string          `json:"url"`
	Headers     []inbox.Header  `json:"headers"`
	SecretNames []string        `json:"secret_headers"` // headers that carry a secret
	Raw         bool            `json:"raw"`            // it sends the event's own bytes
	Body        json.RawMessage `json:"body,omitempty"`
	BodyBase64  []byte          `json:"body_base64,omitempty"` // replaces body when a revealed body is not JSON
	Note        string          `json:"note,omitempty"`        // why there is no request
	List        []Try           `json:"history"`               // of tries: the first and the newest ones
	Revealed    bool            `json:"revealed"`
}

// Try is one try to send an effect.
type Try struct {
	Try        int             `json:"try"`
	StartedAt  time.Time       `json:"started_at"`
	Millis     float64         `json:"duration_ms"`
	Outcome    inbox.Result    `json:"outcome"`
	Fate       inbox.Fate      `json:"fate"`
	Counted    bool            `json:"counted"`
	Status     int             `json:"status,omitempty"`
	Why        string          `json:"why,omitempty"`
	Headers    []inbox.Header  `json:"headers,omitempty"` // of the response
	Body       json.RawMessage `json:"body,omitempty"`
	BodyBase64 []byte          `json:"body_base64,omitempty"`
	Cut        bool            `json:"cut,omitempty"` // the body was longer
}

// ResolveEffects asks to retry or discard dead effects, to release held ones, or to drop those that are not sent yet: the named ones,
// or all that the filter selects.
type ResolveEffects struct {
	Effects []int64      `json:"effects,omitempty"`
	Filter  inbox.Filter `json:"filter,omitzero"`
	Origin  string       `json:"origin,omitempty"` // part of the filter
	All     bool         `json:"all,omitempty"`    // without effects and filter: every effect in a fitting state
	Upto    int64        `json:"upto,omitempty"`   // exclude effects with a higher id
	Reason  string       `json:"reason,omitempty"`
	DryRun  bool         `json:"dry_run,omitempty"`
}

// ResolvedEffects is the answer to a [ResolveEffects].
type ResolvedEffects struct {
	DryRun  bool      `json:"dry_run"`
	Effects []Effect  `json:"effects"` // the resolved ones, or, in a dry run, those that would be
	Failed  []Failure `json:"failed"`
	Upto    int64     `json:"upto"` // id of the newest effect when the server began
}

// EffectOrigin counts the effects of one plugin to one origin.
type EffectOrigin struct {
	Plugin     string    `json:"plugin"`
	Origin     string    `json:"origin"`
	Waiting    int64     `json:"waiting"` // to be sent
	Held       int64     `json:"held"`    // of these, those that wait for the end of a hold
	Dead       int64     `json:"dead"`
	OnHold     bool      `json:"on_hold"` // the origin fails: only probes are sent
	HoldReason string    `json:"hold_reason,omitempty"`
	HeldAt     time.Time `json:"held_at,omitzero"`
	ProbeAt    time.Time `json:"probe_at,omitzero"`
	OldestAt   time.Time `json:"oldest_at,omitzero"` // of those that are not sent
}

// AttemptRequest is a request that an attempt asked for.
type AttemptRequest struct {
	ID     int64             `json:"id"` // of the effect
	Index  int               `json:"index"`
	Method string            `json:"method"`
	Origin string            `json:"origin"`
	State  inbox.EffectState `json:"state"`
	Parks  bool              `json:"parks,omitempty"`
	Tries  int               `json:"tries"`
	Status int               `json:"status,omitempty"` // of the newest response
	Why    string            `json:"why,omitempty"`    // why the newest try failed
	DueAt  time.Time         `json:"due_at,omitzero"`
	Then   string            `json:"then,omitempty"`
}

// AttemptFetch is a request that an attempt sent while it ran, by http_fetch. An event that is revealed has its url and its answer.
type AttemptFetch struct {
	Index       int             `json:"index"` // in the attempt
	Method      string          `json:"method"`
	Origin      string          `json:"origin"`
	Status      int             `json:"status,omitempty"` // of the response
	Why         string          `json:"why,omitempty"`    // why no response came
	Ended       inbox.Result    `json:"ended,omitempty"`  // the failure with which it ended the attempt
	FromJournal bool            `json:"from_journal"`     // the answer is of an earlier attempt, and no connection was opened
	StartedAt   time.Time       `json:"started_at"`
	Millis      float64         `json:"duration_ms"`
	URL         string          `json:"url,omitempty"`
	Answer      json.RawMessage `json:"answer,omitempty"` // as the plugin got it
}
