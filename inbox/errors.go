package inbox

import (
	"errors"
	"fmt"
)

// Kind sorts errors by what the person or program that meets them can do. Each kind has one HTTP status (package
// api) and one exit code (package cli).
type Kind string

// The kinds.
const (
	Internal     Kind = "internal"     // our fault; the text is for the operator
	Invalid      Kind = "invalid"      // the request or the configuration is wrong
	Unauthorized Kind = "unauthorized" // no or bad credentials
	Forbidden    Kind = "forbidden"    // not allowed
	NotFound     Kind = "not_found"
	Conflict     Kind = "conflict"    // the thing is not in a state that allows it
	Unavailable  Kind = "unavailable" // try again: the store is down, full or locked
	TooLarge     Kind = "too_large"
	TooMany      Kind = "too_many" // try again later: the caller has asked too often, or asks for too much at a time
)

// Error is an error with a kind and, where there is one, a hint: what to do next, as a sentence or a command that
// works when pasted.
type Error struct {
	Kind Kind
	Op   string // what was being done and to what: "open store ./inbox-data"
	Hint string
	Err  error
}

// Error returns "op: cause".
func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return e.Op
	case e.Op == "":
		return e.Err.Error()
	}
	return e.Op + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an [Error] of the given kind whose cause is made as by [fmt.Errorf]; op may be empty.
func Errorf(kind Kind, op, format string, args ...any) *Error {
	return &Error{Kind: kind, Op: op, Err: fmt.Errorf(format, args...)}
}

// WithHint returns a copy of e that carries the hint.
func (e *Error) WithHint(hint string) *Error {
	c := *e
	c.Hint = hint
	return &c
}

// KindOf returns the kind of the first [Error] in err's chain, [Internal] without one.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// HintOf returns the first hint in err's chain.
func HintOf(err error) string {
	var e *Error
	for errors.As(err, &e) {
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}

// ErrDamaged says that stored bytes are not those that were written.
var ErrDamaged = errors.New("the stored bytes are damaged")
