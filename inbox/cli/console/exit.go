package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"inbox/inbox"
)

// The exit codes.
const (
	ExitDone        = 0   // the command did its work
	ExitFailed      = 1   // the command failed
	ExitUsage       = 2   // the command line or the configuration is wrong
	ExitDeclined    = 3   // the operator declined, or could not be asked
	ExitForbidden   = 4   // a token or a permission is missing
	ExitIncomplete  = 5   // done, but some items failed, or a check found a problem
	ExitNotFound    = 6   // the named thing does not exist
	ExitUnreachable = 7   // no answer, or locked
	ExitInterrupted = 130 // the command was interrupted
)

// ExitError is an error with an exit code.
type ExitError struct {
	Code int
	Err  error // nil: the messages are already written
}

// Error returns the text of the cause, or an empty string without one.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *ExitError) Unwrap() error { return e.Err }

// exitCodes returns the exit codes by kind of error.
func exitCodes() map[inbox.Kind]int {
	return map[inbox.Kind]int{
		inbox.Internal: ExitFailed, inbox.Invalid: ExitUsage, inbox.Unauthorized: ExitForbidden, inbox.Forbidden: ExitForbidden,
		inbox.NotFound: ExitNotFound, inbox.Conflict: ExitFailed, inbox.Unavailable: ExitUnreachable, inbox.TooLarge: ExitFailed,
		inbox.TooMany: ExitUnreachable,
	}
}

// CodeOf returns the exit code of an error: 0 for nil, the code of an [ExitError], else that of its kind.
func CodeOf(err error) int {
	var e *ExitError
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	case errors.Is(err, fs.ErrPermission): // of any operation
		return ExitForbidden
	}
	return exitCodes()[inbox.KindOf(err)]
}

// problem is an error as JSON, as the operator's API writes it.
type problem struct {
	Error struct {
		Code    inbox.Kind `json:"code"`
		Message string     `json:"message"`
		Hint    string     `json:"hint,omitempty"`
	} `json:"error"`
}

// Report writes an error to standard error and returns its exit code. It writes text, or JSON when the output is JSON. It writes nothing
// after a complete JSON document, which already contains the failed items and the problems found.
func (c *Console) Report(err error) int {
	code := CodeOf(err)
	if err == nil || err.Error() == "" {
		return code
	}
	if code == ExitInterrupted {
		err = errors.New("interrupted")
	}
	message, hint := inbox.PrintableText(Shorten(err.Error())), inbox.Printable(Shorten(inbox.HintOf(err)))
	if c.Format == "json" && c.complete && code == ExitIncomplete {
		return code // two JSON values could not be parsed together
	}
	if c.InJSON() {
		var body problem
		body.Error.Code, body.Error.Message, body.Error.Hint = errorCode(code, err), message, hint
		_ = json.NewEncoder(printableJSON{c.Err}).Encode(body) // there is no other stream for the error
		return code
	}
	for line := range strings.SplitSeq(message, "\n") {
		fmt.Fprintf(c.Err, "inbox: %s\n", line)
	}
	if hint != "" {
		fmt.Fprintf(c.Err, "inbox: %s\n", inbox.Printable(hint))
	}
	return code
}

// Shorten removes the middle of a text of more than 1200 characters, such as an error that quotes a long text.
func Shorten(text string) string {
	const most, head, tail = 1200, 600, 300
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return fmt.Sprintf("%s … (%d characters) … %s", string(runes[:head]), len(runes)-head-tail, string(runes[len(runes)-tail:]))
}

// errorCode returns the code of an error in JSON: a word for some exit codes, else the kind of the error.
func errorCode(code int, err error) inbox.Kind {
	words := map[int]inbox.Kind{ExitDeclined: "declined", ExitIncomplete: "incomplete", ExitInterrupted: "interrupted"}
	if word, ok := words[code]; ok {
		return word
	}
	return inbox.KindOf(err)
}

// Incomplete returns the error of a command with failed items, or of a check that found a problem. Its exit code is ExitIncomplete.
func Incomplete(format string, args ...any) error {
	return &ExitError{Code: ExitIncomplete, Err: fmt.Errorf(format, args...)}
}

func isBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }
