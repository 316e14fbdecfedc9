// Package sdk is for authors of inbox plugins in Go. A plugin is a main function that passes one function to Handle:
//
//	func main() {
//		sdk.Handle(func(e *sdk.Event) sdk.Answer {
//			if e.Verdict != sdk.Passed {
//				return sdk.Skip("not passed")
//			}
//			sdk.Logf("%s passed", e.Key)
//			return sdk.Done()
//		})
//	}
//
// inbox has no public address yet. A module of your own finds the SDK in your clone of inbox after
//
//	go mod edit -require inbox@v0.0.0 -replace inbox=/path/to/inbox
//
// Build it with
//
//	GOOS=wasip1 GOARCH=wasm go build -trimpath -ldflags "-s -w" -o hello.wasm
//
// and move the file into the plugins folder of inbox. Keep the plugin's decisions in a function of their own, and test that
// function with plain `go test`: this package builds on every platform. A plugin needs no SDK; docs/PLUGIN-ABI.md has the
// contract. The package imports the standard library only.
package sdk

import (
	"encoding/json"
	"fmt"
	"time"

	"inbox/sdk/abi"
)

// Verdicts of a verification. A status that is not in QoreID's vocabulary is VerdictUnknown, never Failed.
const (
	Passed         = "passed"
	Failed         = "failed"
	Pending        = "pending"
	VerdictUnknown = "unknown"
)

// Event is the input of the plugin: the event's fields, and its delivery.
type Event struct {
	abi.Event
	Delivery abi.Delivery
	Config   map[string]string // [config] of the plugin's NAME.toml

	state        json.RawMessage // null or empty: the lane has no document
	stateVersion int

	over bool // it was answered: the host does not hold it any more
}

// Name returns the name of the QoreID event, such as workflow. The field itself is e.Event.Event, since the embedded struct is
// called Event too.
func (e *Event) Name() string { return e.Event.Event }

// Parse reads a document with encoding/json, for tests: the function passed to [Handle] gets events as Parse returns them.
func Parse(document []byte) (*Event, error) {
	var d abi.Document
	if err := json.Unmarshal(document, &d); err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	if d.V != abi.Version {
		return nil, fmt.Errorf("read the document: the SDK speaks version %d of the contract, the host %d", abi.Version, d.V)
	}
	return &Event{Event: d.Event, Delivery: d.Delivery, Config: d.Config, state: d.State, stateVersion: d.StateVersion}, nil
}

// Decode decodes the event's body into v, which is a pointer as for [json.Unmarshal]. It returns an error for a body that is not
// JSON.
func (e *Event) Decode(v any) error {
	if e.Body == nil {
		return fmt.Errorf("event %s has no JSON body", e.ID)
	}
	if err := json.Unmarshal(e.Body, v); err != nil {
		return fmt.Errorf("decode the body of event %s: %w", e.ID, err)
	}
	return nil
}

// Answer is the plugin's result for an event, made by [Done], [Skip], [Retry], [RetryAfter] or [Reject]. The zero value is
// Done.
type Answer struct{ result abi.Result }

// Done says that the event was handled.
func Done() Answer { return Answer{} }

// Skip says that the event needed no action.
func Skip(reason string) Answer {
	return Answer{abi.Result{Outcome: abi.OutcomeSkip, Reason: reason}}
}

// Retry asks for another attempt, at the time that the plugin's policy gives. The event will be the same, and every later event
// of its verification waits for it: retry only if the plugin's answer can change until then, else skip.
func Retry(reason string) Answer {
	return Answer{abi.Result{Outcome: abi.OutcomeRetry, Reason: reason}}
}

// RetryAfter is Retry with a wait that replaces the policy's: at least a second, at most the policy's maximum. With a wait of
// zero or less the policy decides. Its attempts count like any others.
func RetryAfter(wait time.Duration, reason string) Answer {
	a := Retry(reason)
	if wait > 0 {
		a.result.RetryAfter = wait.String()
	}
	return a
}

// Reject says that the plugin can never handle this event. It becomes a dead letter at once, and later events of its verification
// wait until an operator retries or discards it. Do not reject an event because its verification failed.
func Reject(reason string) Answer {
	return Answer{abi.Result{Outcome: abi.OutcomeReject, Reason: reason}}
}

// Outcome returns the word of the answer, for tests: ok, skip, retry or reject.
func (a Answer) Outcome() string {
	if a.result.Outcome == "" {
		return abi.OutcomeOK
	}
	return a.result.Outcome
}

// Wait returns the wait given to RetryAfter, else zero, for tests.
func (a Answer) Wait() time.Duration {
	wait, _ := time.ParseDuration(a.result.RetryAfter) // made by RetryAfter, or empty
	return wait
}

// Reason returns the reason given, for tests.
func (a Answer) Reason() string { return a.result.Reason }

// Log writes a line to the log of the attempt. A plugin that calls neither Logf nor Decode, nor fmt and encoding/json by itself, is
// half as large, and starts in half the time.
func Log(line string) { logLine(line) }

// Logf writes a line to the log of the attempt, as [fmt.Sprintf] makes it.
func Logf(format string, args ...any) { logLine(fmt.Sprintf(format, args...)) }

// Handle runs the plugin: it calls fn for every event and returns after the last one. A panic of fn fails the attempt, which is
// retried by the plugin's policy.
func Handle(fn func(*Event) Answer) {
	for h := newHost(); ; {
		doc, ok := h.next()
		if !ok {
			return
		}
		h.done(handleOne(doc, fn))
	}
}

// handleOne returns the result for one document. It returns nil for a plain ok.
func handleOne(doc []byte, fn func(*Event) Answer) []byte {
	e, err := readDocument(doc)
	if err != nil {
		return encode(abi.Result{Outcome: abi.OutcomeRetry, Reason: "the SDK cannot " + err.Error()})
	}
	a := fn(e)
	e.over = true
	if a.result.Outcome == "" && a.result.Reason == "" && a.result.State == nil && a.result.Emit == nil && a.result.HTTP == nil {
		return nil
	}
	if a.result.Outcome == "" {
		a.result.Outcome = abi.OutcomeOK
	}
	return encode(a.result)
}
