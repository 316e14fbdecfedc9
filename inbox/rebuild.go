package inbox

import "time"

// Settled is an event that a plugin has settled with ok or skip, and the attempt that settled it first.
type Settled struct {
	Event
	Run       int64
	Attempt   int
	StartedAt time.Time // of the attempt
	Lanes     []LaneID  // in which attempts of it changed state, as stored with the changes
}

// SettledQuery selects events that a plugin has settled with ok or skip, in the order of the log.
type SettledQuery struct {
	Plugin string
	After  int64   // seqs above it
	Limit  int     // at least 1
	Key    LaneID  // of this mode and key; zero: of all
	Seqs   []int64 // of these; nil: of all
}

// StateSwap replaces state of a plugin by state that was folded again from its events. It is one transaction. No settlement of the
// plugin may be submitted meanwhile.
type StateSwap struct {
	Plugin  string
	Docs    []LaneDocument    // those that change
	KV      map[Mode][]KVPair // all pairs of each mode; nil: kv stays as it is
	Version int               // state_version of the release that folded
	All     bool              // no documents but Docs have another version: Version is now the plugin's, even if it is lower
}

// LaneDocument is the new document of one lane.
type LaneDocument struct {
	Lane     LaneID
	Subject  LaneID // mode and key of the event Seq
	Seq      int64  // of the last event that was folded into it
	Document []byte // nil: the document is deleted
}

// KVPair is a key of kv and its value.
type KVPair struct {
	Key     string
	Value   []byte
	Subject LaneID // mode and key of the event Seq
	Seq     int64  // of the event whose attempt wrote it
}

// RebuildRequest asks to fold state of a plugin again.
type RebuildRequest struct {
	Plugin string
	Actor  Actor
	Filter Filter // selects events; the documents of all lanes that one of them belongs to are folded
	All    bool   // all documents, and kv
}

// Rebuilt is what a rebuild did.
type Rebuilt struct {
	Events  int64  // folded
	Lanes   int    // with an event
	Changed int    // documents that changed, deleted ones included
	Deleted int    // documents that were deleted
	Release string // the release that folded
}

// RebuildProgress is how far a rebuild is.
type RebuildProgress struct {
	Seq  int64 // the log is folded up to it
	Head int64 // newest seq at its begin
}
