package inbox

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Emission is an event that an attempt emits. It commits with the attempt: then it is an event of the log like any other.
type Emission struct {
	Event     string // has a dot, see [AsksForEmitted]
	EventType string // empty without one
	Key       string // empty: the event has the key of its cause
	Body      []byte // JSON
}

// Bounds of what one attempt emits. An attempt with a longer list, or with more bytes, fails.
const (
	MaxEmissions    = 100     // events
	MaxEmittedBytes = 1 << 20 // of all names, types, keys and bodies
	MaxEmittedName  = 128     // bytes of a name or type
	MaxEmittedKey   = 256     // bytes of a key
)

// MaxDepth is the depth of the last event of a chain. An event of a source has depth 0, and an emitted event one more than its
// cause. No attempt with an event of this depth may emit.
const MaxDepth = 8

// MaxDescendants is the number of events that one plugin may emit in answer to one event of a source, over all depths. It bounds the
// fan-out of chains: an attempt takes what it emits from the allowance of its event, and its events share the rest equally.
const MaxDescendants = 10_000

// Allowance returns the number of events that the attempts of one plugin with this event may cause, those of later depths included.
func (e *Event) Allowance() int {
	if e.Depth == 0 {
		return MaxDescendants
	}
	return e.Share
}

// ShareOf returns the allowance of each of n events that an attempt emits with an event of some allowance. n is at most the allowance.
func ShareOf(allowance, n int) int {
	if n == 0 {
		return 0
	}
	return max(0, allowance-n) / n
}

// Descendants returns the number of events that the effects of an attempt become by themselves: those that it emits, and the responses that
// its requests name by then. Each of them has an equal share of the allowance of the attempt's event.
func (e *Effects) Descendants() int {
	n := len(e.Emit)
	for i := range e.Requests {
		if e.Requests[i].Then != "" {
			n++
		}
	}
	return n
}

// emitterPrefix begins the source of every emitted event. No source of webhooks has a colon in its name.
const emitterPrefix = "plugin:"

// EmitterSource returns the source of the events that a plugin emits.
func EmitterSource(plugin string) string { return emitterPrefix + plugin }

// Emitter returns the plugin that emitted the events of a source, empty for a source of webhooks.
func Emitter(source string) string {
	plugin, ok := strings.CutPrefix(source, emitterPrefix)
	if !ok {
		return ""
	}
	return plugin
}

// EmittedKey returns the ordering key of an event that a plugin emits with a key of its own. No other plugin, and no source, makes
// an event with this key.
func EmittedKey(plugin, key string) string { return emitterPrefix + plugin + "/" + key }

// Size returns the bytes that count towards [MaxEmittedBytes].
func (e *Emission) Size() int { return len(e.Event) + len(e.EventType) + len(e.Key) + len(e.Body) }

// Problem returns what is wrong with an emission, empty for a valid one. It does not look at the body. The text has nothing of the
// emission's own words.
func (e *Emission) Problem() string {
	switch {
	case e.Event == "":
		return "has no event"
	case !AsksForEmitted(e.Event):
		return "has an event without a dot; names of emitted events have one, as in customer.passed"
	case !emittedName(e.Event):
		return "has an event that is no name: a name has at most 128 letters, digits, dots, dashes and underscores"
	case !emittedName(e.EventType):
		return "has an event_type that is no name: a name has at most 128 letters, digits, dots, dashes and underscores"
	case len(e.Key) > MaxEmittedKey:
		return "has a key of more than 256 bytes"
	case !utf8.ValidString(e.Key):
		return "has a key that is not UTF-8"
	case strings.ContainsFunc(e.Key, unicode.IsControl):
		return "has a key with a control character"
	}
	return ""
}

// emittedName reports whether a name or type has only ASCII letters, digits, dots, dashes and underscores, and few of them.
func emittedName(name string) bool {
	return len(name) <= MaxEmittedName && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	})
}

// MayEmit reports whether the plugin was granted to emit an event of this name.
func (m *Manifest) MayEmit(event string) bool { return matchAny(m.Emit, event) }

// Cause is where an emitted event comes from.
type Cause struct {
	Seq     int64  // of the event whose attempt emitted it
	ID      string // of that event
	Plugin  string // that emitted it
	Run     int64
	Attempt int
	Index   int   // in the attempt's list, from 0; of a response the number of the try that ended the effect
	Effect  int64 // the effect whose response the event is; 0: the attempt emitted it
	Depth   int   // of the emitted event, from 1
}

// Emitted is an event that an attempt emitted.
type Emitted struct {
	Run     int64
	Attempt int
	Index   int   // as in [Cause]
	Effect  int64 // as in [Cause]
	Event   Event
}
