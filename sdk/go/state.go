package sdk

import (
	"encoding/json"
	"fmt"
)

// LoadState decodes the state document of the event's lane into v, which is a pointer as for [json.Unmarshal]. It reports false,
// and leaves v alone, when the lane has no document: no earlier event of the same verification has saved one.
func (e *Event) LoadState(v any) (bool, error) {
	if len(e.state) == 0 || string(e.state) == "null" {
		return false, nil
	}
	if err := json.Unmarshal(e.state, v); err != nil {
		return true, fmt.Errorf("decode the state of event %s: %w", e.ID, err)
	}
	return true, nil
}

// StateVersion returns the state_version of the release that saved the document, 0 without one. A release with a higher version
// migrates the document.
func (e *Event) StateVersion() int { return e.stateVersion }

// SaveState returns the answer with a new state document, v as [json.Marshal] encodes it, of at most 1 MiB. The document is stored
// in the commit of the answer, and only with [Done] and [Skip]. A v that cannot be encoded makes the answer a [Retry].
func (a Answer) SaveState(v any) Answer {
	doc, err := json.Marshal(v)
	if err != nil {
		return Retry("the SDK cannot encode the state: " + err.Error())
	}
	a.result.State = doc
	return a
}

// DeleteState returns the answer without a state document: the next event of the lane finds none.
func (a Answer) DeleteState() Answer {
	a.result.State = json.RawMessage("null")
	return a
}

// State returns the document that the answer saves, for tests: nil when it keeps the document, and null when it deletes it.
func (a Answer) State() []byte { return a.result.State }
