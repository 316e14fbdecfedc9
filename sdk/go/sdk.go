// Package sdk is for authors of inbox plugins in Go. A plugin is a main function that hands over one function:
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
// inbox has no public address yet. A module of your own finds the SDK in your clone of it after
//
//	go mod edit -require inbox@v0.0.0 -replace inbox=/path/to/inbox
//
// Build it with
//
//	GOOS=wasip1 GOARCH=wasm go build -trimpath -ldflags "-s -w" -o hello.wasm
//
// and drop the file into the plugins folder of the inbox. Keep what the plugin decides in a function of its own, and
// test that with plain `go test`: this package builds everywhere. A plugin needs no SDK at all; docs/PLUGIN-ABI.md has
// the contract. The package imports the standard library only.
package sdk

import (
	"encoding/json"
	"fmt"
	"time"

	"inbox/sdk/abi"
)

// Verdicts: what a verification came to. Anything not in QoreID's vocabulary is VerdictUnknown, never Failed.
const (
	Passed         = "passed"
	Failed         = "failed"
	Pending        = "pending"
	VerdictUnknown = "unknown"
)

// Event is what the plugin was handed: the event's fields, with the delivery it is part of.
type Event struct {
	abi.Event
	Delivery abi.Delivery
	Config   map[string]string // [config] of the plugin's NAME.toml

	over bool // it was answered: the host has nothing of it any more
}

// Name returns the QoreID event's name, such as workflow: the embedded [abi.Event] has the name Event, so that the field itself
// is e.Event.Event.
func (e *Event) Name() string { return e.Event.Event }

// Parse reads a document as a plugin gets it, for tests: `inbox` hands [Handle]'s function what Parse makes of one.
func Parse(document []byte) (*Event, error) {
	var d abi.Document
	if err := json.Unmarshal(document, &d); err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	if d.V != abi.Version {
		return nil, fmt.Errorf("read the document: the SDK speaks version %d of the contract, the host %d", abi.Version, d.V)
	}
	return &Event{Event: d.Event, Delivery: d.Delivery, Config: d.Config}, nil
}

// Decode reads the event's body into v, which is a pointer as for [json.Unmarshal]. A body that is not JSON is an error.
func (e *Event) Decode(v any) error {
	if e.Body == nil {
		return fmt.Errorf("event %s has no JSON body", e.ID)
	}
	if err := json.Unmarshal(e.Body, v); err != nil {
		return fmt.Errorf("decode the body of event %s: %w", e.ID, err)
	}
	return nil
}

// Answer is what the plugin says of an event: made by [Done], [Skip], [Retry], [RetryAfter] or [Reject]. The zero value is
// Done.
type Answer struct{ result abi.Result }

// Done says that the event was handled.
func Done() Answer { return Answer{} }

// Skip says that there was nothing to do.
func Skip(reason string) Answer {
	return Answer{abi.Result{Outcome: abi.OutcomeSkip, Reason: reason}}
}

// Retry says "not now": the event comes again, when the plugin's policy says. It will be the same event, and every later one
// of its verification waits for it: retry what can change until then, and skip what cannot.
func Retry(reason string) Answer {
	return Answer{abi.Result{Outcome: abi.OutcomeRetry, Reason: reason}}
}

// RetryAfter is Retry with a wait of its own in place of the policy's: at least a second, at most the policy's maximum. A wait
// that is not above zero leaves it to the policy. The attempts count as any others.
func RetryAfter(wait time.Duration, reason string) Answer {
	a := Retry(reason)
	if wait > 0 {
		a.result.RetryAfter = wait.String()
	}
	return a
}

// Reject says that the plugin will never take this event: it goes to the dead letters at once, and later events of its
// verification wait until somebody retries or discards it. A verification that failed is no reason for it.
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

// Wait returns the wish of RetryAfter, zero for none, for tests.
func (a Answer) Wait() time.Duration {
	wait, _ := time.ParseDuration(a.result.RetryAfter) // made by RetryAfter, or empty
	return wait
}

// Reason returns the reason given, for tests.
func (a Answer) Reason() string { return a.result.Reason }

// Logf writes a line to the log of the attempt.
func Logf(format string, args ...any) { logLine(fmt.Sprintf(format, args...)) }

// Handle runs the plugin: it calls fn for every event and returns when there is no more. A panic of fn fails the
// attempt, which is made again by the plugin's policy.
func Handle(fn func(*Event) Answer) {
	for h := newHost(); ; {
		doc, ok := h.next()
		if !ok {
			return
		}
		h.done(handleOne(doc, fn))
	}
}

// handleOne takes one document to the result to give. It returns nil for a plain ok.
func handleOne(doc []byte, fn func(*Event) Answer) []byte {
	e, err := fromHost(doc)
	if err != nil {
		return encode(abi.Result{Outcome: abi.OutcomeRetry, Reason: "the SDK cannot " + err.Error()})
	}
	a := fn(e)
	e.over = true
	if a.result.Outcome == "" && a.result.Reason == "" {
		return nil
	}
	return encode(a.result)
}

// encode writes a result. One that cannot be written is none, and a plugin must not acknowledge by that: it is a retry.
func encode(r abi.Result) []byte {
	b, err := json.Marshal(r)
	if err != nil {
		return []byte(`{"outcome":"` + abi.OutcomeRetry + `","reason":"the SDK cannot write the result"}`)
	}
	return b
}
