package inbox

import (
	"slices"
	"strings"
	"time"
)

// Manifest is what a plugin asks for and what the operator grants it: NAME.toml beside NAME.wasm. The zero value
// of a field means its default, which [Manifest.WithDefaults] fills in. Package release reads and checks it.
type Manifest struct {
	Plugin       string   // its name; empty: unknown
	Events       []string // QoreID events it gets; empty means all but unknown and emitted ones, which "*" does not match either; "*" at the end of a name matches any rest
	EventTypes   []string
	Sources      []string
	Modes        []Mode
	Where        []Condition // all must hold
	Emit         []string    // names of events that it may emit; "*" at the end of a name matches any rest; empty: none
	KeyBy        KeyBy
	Order        Order
	Concurrency  int // attempts at the same time; 1 to 64
	Policy       Policy
	Limits       Limits
	Engine       Engine
	Data         Data
	StateVersion int               // of the state documents that this release writes
	Reuse        int               // events one instance serves in session mode; 1 means a fresh instance per event
	StartFrom    StartFrom         // where a plugin that is new to this store begins
	Config       map[string]string // given to the plugin unchanged
	HTTP         HTTP              // the requests it may send
}

// HTTP is what a plugin may send. The zero value grants nothing.
type HTTP struct {
	Allow     []string // origins with addresses of the public internet, in their one spelling
	Private   []string // origins that may have private addresses too
	Redirects bool     // follow a redirect to a granted origin
	CA        string   // path of certificates in PEM that are trusted beside the system's
	Policy    Policy   // of the effects
	Secrets   []SecretGrant
}

// SecretGrant names a secret that requests of a plugin may carry in their headers.
type SecretGrant struct {
	Name    string
	Value   string   // where it is: "env:NAME" or "file:PATH"; never the secret itself
	Origins []string // it is sent to these only
}

// Condition is "the scalar at this JSON pointer of the body is one of these". A number in the body is compared by its value
// with those that spell a number: 1.0 is 1 and 1e0. A text, true and false are compared letter by letter.
type Condition struct {
	Pointer string   `json:"pointer"`
	Values  []string `json:"values"`
}

// Engine is what runs a module.
type Engine string

// The engines.
const (
	Compiler    Engine = "compiler"    // machine code, made when the plugin is loaded; where wazero has no compiler, it interprets
	Interpreter Engine = "interpreter" // many times slower; for a module that the compiler translates wrongly
)

// Limits bound one attempt.
type Limits struct {
	Time   time.Duration // wall clock from the delivery of the event to its result
	Memory int64         // bytes of linear memory
	Output int64         // bytes of result
	Log    int64         // bytes of log that are kept
	Fuel   int64         // instructions, and bytes moved for it; zero: no limit
	KV     int64         // bytes of all keys and values of a mode
}

// Data is the part of an event's body that a plugin sees.
type Data struct {
	Fields    []string // JSON pointers (RFC 6901) of what it may see; nil: all of it; empty: nothing
	InlineMax int64    // bytes of the longest text in the document; a longer one is removed and read with event_read
}

// DefaultInlineMax is the longest text in a document without a manifest. Photos are longer.
const DefaultInlineMax = 64 << 10

// StartFrom says where a new plugin begins: at the next event, at the first stored one, or at a seq.
type StartFrom struct {
	Start bool
	Seq   int64 // zero: not by seq
}

// DefaultLimits are the limits without a manifest.
func DefaultLimits() Limits {
	return Limits{Time: 5 * time.Second, Memory: 64 << 20, Output: 1 << 20, Log: 64 << 10, KV: DefaultKV}
}

// WithDefaults returns m with every zero field set to its default. The default of Concurrency is parallel.
func (m Manifest) WithDefaults(parallel int) Manifest {
	or(&m.KeyBy, KeyByKey)
	or(&m.Order, ByKey)
	or(&m.Engine, Compiler)
	or(&m.Concurrency, max(parallel, 1))
	or(&m.Reuse, 1)
	p, l := DefaultPolicy(), DefaultLimits()
	m.Policy = m.Policy.withDefaults(p)
	or(&m.Limits.Time, l.Time)
	or(&m.Limits.Memory, l.Memory)
	or(&m.Limits.Output, l.Output)
	or(&m.Limits.Log, l.Log)
	or(&m.Limits.KV, l.KV)
	or(&m.Data.InlineMax, DefaultInlineMax)
	m.HTTP.Policy = m.HTTP.Policy.withDefaults(p)
	return m
}

func or[T comparable](v *T, fallback T) {
	var zero T
	if *v == zero {
		*v = fallback
	}
}

// Wants reports whether the event passes the filters that need no body. An event named unknown, or one that a
// plugin emitted, must be asked for by name, see [AsksForUnknown] and [AsksForEmitted]. One that the plugin itself emitted must be
// asked for by its source, too.
func (m *Manifest) Wants(e *Event) bool { return m.leftOutBy(e) == "" }

// AsksForUnknown reports whether an entry of events matches events named unknown: only that exact name does. A pattern
// such as "*" means QoreID's events, and an unknown event is not known to be one.
func AsksForUnknown(pattern string) bool { return pattern == UnknownEvent }

// AsksForEmitted reports whether an entry of events matches events that plugins emit: a name or pattern with a dot. QoreID's
// names have no dot.
func AsksForEmitted(pattern string) bool { return strings.Contains(pattern, ".") }

// FilteredBy returns the filter that excludes an event, by its name in NAME.toml; empty when the plugin wants the event.
// at looks into the event's body.
func (m *Manifest) FilteredBy(e *Event, at Lookup) string {
	if by := m.leftOutBy(e); by != "" || m.Holds(at) {
		return by
	}
	return "where"
}

func (m *Manifest) leftOutBy(e *Event) string {
	switch {
	case !m.wantsName(e):
		return "events"
	case len(m.EventTypes) > 0 && !matchAny(m.EventTypes, e.View.EventType):
		return "event_types"
	case len(m.Sources) > 0 && !matchAny(m.Sources, e.Source):
		return "sources"
	case m.emitted(e) && !contains(m.Sources, e.Source):
		return "sources"
	case len(m.Modes) > 0 && !contains(m.Modes, e.Mode):
		return "modes"
	}
	return ""
}

// emitted reports whether the plugin emitted an event itself. It gets such an event only if its sources have its own name, so that
// no pattern makes a loop.
func (m *Manifest) emitted(e *Event) bool {
	return e.Origin == FromEmission && m.Plugin != "" && e.Source == EmitterSource(m.Plugin)
}

// wantsName reports whether the filter events matches an event.
func (m *Manifest) wantsName(e *Event) bool {
	asks := func(string) bool { return true }
	switch {
	case e.View.Event == UnknownEvent:
		asks = AsksForUnknown
	case e.Origin == FromEmission:
		asks = AsksForEmitted
	case len(m.Events) == 0:
		return true
	}
	return slices.ContainsFunc(m.Events, func(pattern string) bool {
		return asks(pattern) && matchAny([]string{pattern}, e.View.Event)
	})
}

// NeedsBody reports whether the filters or the lane rule of the plugin use the body.
func (m *Manifest) NeedsBody() bool {
	_, ptr := m.KeyBy.Pointer()
	return len(m.Where) > 0 || (ptr && m.Order == ByKey)
}

// Holds reports whether every condition of m holds for a body.
func (m *Manifest) Holds(at Lookup) bool {
	for _, c := range m.Where {
		v, ok := at(c.Pointer)
		if !ok || !c.meets(v) {
			return false
		}
	}
	return true
}

func (c *Condition) meets(v Scalar) bool {
	return slices.ContainsFunc(c.Values, func(want string) bool {
		return want == v.Text || (v.Number && SameNumber(want, v.Text))
	})
}
