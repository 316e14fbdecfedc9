package inbox

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// Effect is one HTTP request that a plugin asked for, as it is stored. It is written in the commit of the attempt that asked, and
// sent after it. The request itself may hold personal data and is stored apart, see [EffectRequest].
type Effect struct {
	ID        int64 // from 1, in the order of the commits
	Cause     EffectCause
	Lane      EffectLane
	Method    string
	Key       string // the header Idempotency-Key: the same for all tries, see [IdempotencyKey]
	Then      string // name of the event that its end becomes; empty for no event
	CreatedAt time.Time
	Size      int64 // of a due effect: at least the bytes of its request; those of the event are counted too, for a raw request
	EffectProgress
}

// EffectCause is the attempt that asked for an effect.
type EffectCause struct {
	Seq     int64
	Run     int64
	Attempt int
	Index   int // in the http of its result, from 0
}

// EffectLane identifies a lane of effects. The effects of a lane are sent one at a time, in the order of their ids.
type EffectLane struct {
	Plugin string
	LaneID
	Origin string // scheme, host and port of the url, in their one spelling
}

// EffectProgress is how far the sending of an effect has got.
type EffectProgress struct {
	State      EffectState
	DueAt      time.Time // of the first effect of a lane; zero for those behind it and for those that are not sent any more
	Tries      int       // tries already made
	Counted    int       // tries that count towards MaxAttempts
	Parks      bool      // it is dead, and the later effects of its lane wait behind it
	FinishedAt time.Time // when it became done, dead or discarded
	Status     int       // of the newest response; 0 without one
	Why        string    // why the newest try failed, in the host's words
}

// EffectState is the state of an effect.
type EffectState string

// The states.
const (
	EffectWaiting   EffectState = "waiting"   // not tried yet
	EffectRetry     EffectState = "retry"     // the newest try failed, and another one is due
	EffectDone      EffectState = "done"      // the receiver took it
	EffectDead      EffectState = "dead"      // a dead letter: not tried again by itself
	EffectDiscarded EffectState = "discarded" // a dead letter that an operator discarded
	EffectHeld      EffectState = "held"      // of a replay that does not send; an operator releases it
)

// EffectStates are all states in the order of their declaration; the schema's CHECK lists the same.
func EffectStates() []EffectState {
	return []EffectState{EffectWaiting, EffectRetry, EffectDone, EffectDead, EffectDiscarded, EffectHeld}
}

// EffectRequest is what is sent for an effect. It may hold personal data.
type EffectRequest struct {
	Request
	Source   string   // of the event
	Original []Header // of a raw request: the headers of the stored event, whose bytes are in Body
}

// Outgoing is a request that a plugin asked for, with its place among the lanes.
type Outgoing struct {
	Request
	Origin string // of the url, see [EffectLane]
}

// EffectDetail is an effect with the event that caused it.
type EffectDetail struct {
	Effect
	Event Event
}

// EffectCounts are the numbers of a plugin's effects to one origin.
type EffectCounts struct {
	Plugin   string
	Origin   string
	Waiting  int64     // to be sent, those that are tried again included
	Dead     int64     // dead letters
	Health   Health    // of the origin, as this plugin meets it
	OldestAt time.Time // creation of the oldest that is to be sent or parks its lane; zero without one
}

// Bounds of the requests of one result.
const (
	MaxRequests      = 32      // requests
	MaxRequestBodies = 1 << 20 // bytes of all their bodies
)

// IdempotencyKey returns the key under which a receiver recognises an effect that is sent again. It is made from the source and the
// body's digest, not from a seq, so that it is the same after a restore from a backup. run is 0 for the first run, or the replay:
// a replay is a new request. begun is the creation of the replay in milliseconds of Unix time, 0 for the first run: after a restore
// a new replay may have the number of an older one, whose keys receivers know. The key has 32 hexadecimal digits, which are 128 bits
// of a SHA-256.
func IdempotencyKey(source string, digest []byte, plugin string, run, begun int64, index int) string {
	h := sha256.New()
	for _, part := range [][]byte{[]byte("inbox idempotency key 1"), []byte(source), digest, []byte(plugin)} {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write(part)
	}
	var tail [16]byte
	binary.LittleEndian.PutUint64(tail[:8], uint64(run))
	binary.LittleEndian.PutUint64(tail[8:], uint64(index))
	h.Write(tail[:])
	if run != 0 {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(begun)))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
