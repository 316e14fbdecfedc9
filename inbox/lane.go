package inbox

import (
	"strconv"
	"strings"
	"time"
)

// LaneID identifies a lane of a plugin. The events of a lane run one at a time, in order.
type LaneID struct {
	Mode Mode
	Key  string
}

// LaneState is the state of a lane that lags behind its plugin's cursor. A lane that does not lag has no row.
type LaneState string

// The states.
const (
	LaneReady  LaneState = "ready"  // its next event may run
	LaneRetry  LaneState = "retry"  // its next event failed and is due again at DueAt
	LaneParked LaneState = "parked" // its next event is dead; no event of the lane runs until an operator retries or discards it
)

// Lane is a lane that lags behind its plugin's cursor: its events from Next on have not run, and all
// events before Next are settled.
type Lane struct {
	ID      LaneID
	Next    int64 // seq of the next event, or, when ready, a lower bound of it
	State   LaneState
	DueAt   time.Time // for LaneRetry
	Attempt int       // attempts already made of the event at Next, in this run
	Counted int       // attempts that count towards MaxAttempts
	Since   time.Time // when it began to lag
	Waits   bool      // when the row was read, replayed runs or retried dead runs waited behind the lane
}

// Keys of lanes that the program makes begin with "@". No source name does, so they never equal the key of an event.
const (
	globalLane    = "@global"
	referenceLane = "@ref/"
	pointerLane   = "@ptr/"
	soloLane      = "@seq/"
)

// SoloKey returns the key of the lane that holds only the event with a seq. An event without a key of its own has it as key.
func SoloKey(seq int64) string { return soloLane + strconv.FormatInt(seq, 10) }

// ReferenceKey returns the key of the lane of a customer reference.
func ReferenceKey(ref string) string { return referenceLane + ref }

// Solo returns the seq of the lane's only event, and true when the lane holds only one.
func (id LaneID) Solo() (seq int64, ok bool) {
	text, ok := strings.CutPrefix(id.Key, soloLane)
	if !ok {
		return 0, false
	}
	seq, err := strconv.ParseInt(text, 10, 64)
	return seq, err == nil
}

// Global reports whether the lane holds all events of its mode.
func (id LaneID) Global() bool { return id.Key == globalLane }

// Reference returns the customer reference of the lane's events, and true when the lane is made by it.
func (id LaneID) Reference() (ref string, ok bool) {
	if ref, ok = strings.CutPrefix(id.Key, referenceLane); !ok {
		return "", false
	}
	return ref, true
}

// ByValue reports whether the lane is made by a value of its events' bodies: no column of the log tells which events it holds.
func (id LaneID) ByValue() bool { return strings.HasPrefix(id.Key, pointerLane) }

// ByKey reports whether the lane's key is the key of its events.
func (id LaneID) ByKey() bool {
	return !strings.HasPrefix(id.Key, "@") || strings.HasPrefix(id.Key, soloLane)
}

// KeyBy is the value of an event that makes its lane: "key", "customer_reference", or a JSON pointer.
type KeyBy string

// The named choices.
const (
	KeyByKey       KeyBy = "key"
	KeyByReference KeyBy = "customer_reference"
)

// Pointer returns the JSON pointer and true when k is one.
func (k KeyBy) Pointer() (string, bool) {
	return string(k), k != "" && k != KeyByKey && k != KeyByReference
}

// LaneOf returns the lane of an event. at returns the scalar at a JSON pointer of the event's body as text, or its
// digest (see [Digested]). It is called only when key_by is a pointer. An event without the wanted value falls back
// to its key.
func LaneOf(e *Event, order Order, by KeyBy, at func(pointer string) (string, bool)) LaneID {
	id := LaneID{Mode: e.Mode, Key: e.View.Key}
	switch ptr, isPtr := by.Pointer(); {
	case order == Global:
		id.Key = globalLane
	case order == Unsorted:
		id.Key = SoloKey(e.Seq)
	case by == KeyByReference && e.View.CustomerReference != "":
		id.Key = ReferenceKey(e.View.CustomerReference)
	case isPtr:
		if v, ok := at(ptr); ok {
			id.Key = pointerLane + v
		}
	}
	return id
}

// Digested returns at with every scalar replaced by its digest. The key of a lane is stored, and a scalar of a body may be long
// or personal.
func Digested(at func(pointer string) (string, bool), digest func(value string) string) func(pointer string) (string, bool) {
	return func(pointer string) (string, bool) {
		v, ok := at(pointer)
		if !ok {
			return "", false
		}
		return digest(v), true
	}
}

// LaneRule is the rule that makes the lanes of a plugin. It is stored with the plugin, because lanes that lag are found by the
// rule that made them.
type LaneRule struct {
	Order Order
	By    KeyBy
}

// String returns the stored form.
func (k LaneRule) String() string { return string(k.Order) + " " + string(k.By) }

// ParseLaneRule reads the stored form. An empty text is the zero LaneRule, which makes lanes by key.
func ParseLaneRule(s string) LaneRule {
	order, by, _ := strings.Cut(s, " ")
	return LaneRule{Order: Order(order), By: KeyBy(by)}
}

// Lane returns the lane of an event, as [LaneOf].
func (k LaneRule) Lane(e *Event, at func(pointer string) (string, bool)) LaneID {
	return LaneOf(e, k.Order, k.By, at)
}
