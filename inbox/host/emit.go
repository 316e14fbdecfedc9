package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/tetratelabs/wazero/api"

	"inbox/inbox"
	"inbox/sdk/abi"
)

// errUnfit ends a guest that emitted what it must not. [emissions] has its outcome.
var errUnfit = errors.New("emitted what it must not")

// emissions are the events that an attempt has emitted by the import. They belong to the guest's goroutine.
type emissions struct {
	open      bool // the guest has an event
	depth     int  // of that event
	allowance int  // of that event, see [inbox.Event.Allowance]
	list      []inbox.Emission
	bytes     int
	unfit     *inbox.Outcome // the outcome of a guest that errUnfit ended
}

// emissionKeys are the members of an entry.
var emissionKeys = []string{"event", "event_type", "key", "body"}

// parseEmission returns the entry of a JSON text that is one object, or else what is wrong with it. It looks at the entry alone, not
// at the grants.
func parseEmission(entry []byte) (e inbox.Emission, why string) {
	fields, bad := members(entry, object{"its emitted event", "an emitted event", emissionKeys})
	if bad != nil {
		return e, bad.Reason[len("its emitted event "):bad.HostWords]
	}
	for _, one := range []struct {
		key string
		to  *string
	}{{"event", &e.Event}, {"event_type", &e.EventType}, {"key", &e.Key}} {
		if value := fields[one.key]; isSet(value) && json.Unmarshal(value, one.to) != nil {
			return e, "has an " + one.key + " that is no text"
		}
	}
	if why = e.Problem(); why != "" {
		return e, why
	}
	if e.Body = bytes.Clone(fields["body"]); len(e.Body) == 0 {
		e.Body = []byte("null")
	}
	if !utf8.Valid(e.Body) {
		return e, "has a body that is not UTF-8"
	}
	return e, ""
}

// keepEmissions adds the emitted events of a result to its outcome.
func keepEmissions(out *inbox.Outcome, list json.RawMessage) *inbox.Outcome {
	var bad inbox.Outcome
	dec := json.NewDecoder(bytes.NewReader(list))
	if start, err := dec.Token(); err != nil || start != json.Delim('[') {
		bad = failure(inbox.BadResult, "its emit is %s and not a list", kindOf(list))
		return &bad
	}
	for n := 1; dec.More(); n++ {
		if n > inbox.MaxEmissions { // the rest is not decoded: an entry takes more memory than its text
			bad = failure(inbox.Output, "its emit has more than the %d events that an attempt may emit", inbox.MaxEmissions)
			return &bad
		}
		var entry json.RawMessage
		why := "is not an object"
		var e inbox.Emission
		if err := dec.Decode(&entry); err == nil && len(entry) > 0 && entry[0] == '{' {
			e, why = parseEmission(entry)
		}
		if why != "" {
			bad = failure(inbox.BadResult, "event %d of its emit %s", n, why)
			return &bad
		}
		effectsOf(out).Emit = append(effectsOf(out).Emit, e)
	}
	return nil
}

// effectsOf returns the effects of an outcome, which it makes if there are none.
func effectsOf(out *inbox.Outcome) *inbox.Effects {
	if out.Effects == nil {
		out.Effects = &inbox.Effects{}
	}
	return out.Effects
}

// take adds a valid event, unless the attempt must not emit it. It returns a code for the guest, or the outcome of an attempt that
// must end.
func (m *emissions) take(e inbox.Emission, manifest *inbox.Manifest) (code int32, unfit *inbox.Outcome) {
	if bad := m.forbid(e.Event, len(m.list), manifest); bad != nil {
		return 0, bad
	}
	if len(m.list) >= inbox.MaxEmissions || m.bytes+e.Size() > inbox.MaxEmittedBytes {
		return abi.ErrQuota, nil
	}
	m.list, m.bytes = append(m.list, e), m.bytes+e.Size()
	return 0, nil
}

// forbid returns the outcome of an attempt that must not emit an event of this name, beside n others; else nil.
func (m *emissions) forbid(event string, n int, manifest *inbox.Manifest) *inbox.Outcome {
	var bad inbox.Outcome
	switch {
	case !manifest.MayEmit(event):
		// The next attempt, and every other event, would ask for the same.
		bad = failure(inbox.Denied, "it emits an event that it was not granted (emit in its manifest)")
		bad.Reason += fmt.Sprintf(": %q", event)
	case m.depth >= inbox.MaxDepth:
		bad = failure(inbox.BadResult, "it emits an event in answer to the event of depth %d; a chain of emitted events ends there", m.depth)
	case n >= m.allowance:
		bad = failure(inbox.BadResult, "it emits more than %d events, which are left of the %d that it may emit in answer to one webhook, over all depths",
			m.allowance, inbox.MaxDescendants)
	default:
		return nil
	}
	return &bad
}

// checkAnswers returns the outcome of an attempt whose requests name events by then that it must not emit; else nil. Each of those
// events counts as one that the attempt emits.
func (m *emissions) checkAnswers(requests []inbox.Outgoing, manifest *inbox.Manifest) *inbox.Outcome {
	n := len(m.list)
	for i := range requests {
		if requests[i].Then == "" {
			continue
		}
		if bad := m.forbid(requests[i].Then, n, manifest); bad != nil {
			return bad
		}
		n++
	}
	return nil
}

// addTo adds the emitted events to an outcome that the plugin chose: those of the import first, then those of the result. It
// returns the outcome in place of it when the attempt must not emit them.
func (m *emissions) addTo(out *inbox.Outcome, manifest *inbox.Manifest) *inbox.Outcome {
	if out.Effects != nil {
		for _, e := range out.Effects.Emit {
			switch code, unfit := m.take(e, manifest); {
			case unfit != nil:
				return unfit
			case code != 0:
				bad := failure(inbox.Output, "it emits more than %d events or %d bytes", inbox.MaxEmissions, inbox.MaxEmittedBytes)
				return &bad
			}
		}
	}
	if len(m.list) > 0 {
		effectsOf(out).Emit = m.list
	}
	return nil
}

// emitFunction returns the function of module inbox_v1 that emits an event.
func emitFunction() hostFunction {
	return define(abi.Emit, 2, 1, sized(1), session(func(_ context.Context, in *instance, mem api.Memory, p []uint64) int32 {
		return in.emitEvent(mem, uint32(p[0]), uint32(p[1]))
	}))
}

// emitEvent takes one event from the guest.
func (in *instance) emitEvent(mem api.Memory, ptr, size uint32) int32 {
	if !in.emit.open {
		return abi.ErrState
	}
	if size > maxEntry {
		return abi.ErrTooLarge
	}
	view, ok := mem.Read(ptr, size)
	if !ok {
		return abi.ErrPointer
	}
	entry, ok := oneObject(view)
	if !ok {
		return abi.ErrEntry
	}
	e, why := parseEmission(entry)
	if why != "" {
		return abi.ErrEntry
	}
	code, unfit := in.emit.take(e, in.p.manifest)
	if unfit != nil {
		in.emit.unfit = unfit
		in.cancel(errUnfit)
		unwind(errUnfit)
	}
	return code
}

// maxEntry is the longest entry of the import in bytes: the most that an attempt emits, and as much again for escapes and white space.
const maxEntry = 2 * inbox.MaxEmittedBytes

// oneObject returns the JSON object that a text is, and false for any other text.
func oneObject(text []byte) ([]byte, bool) {
	text = bytes.Trim(text, jsonSpace)
	return text, len(text) > 0 && text[0] == '{' && json.Valid(text)
}
