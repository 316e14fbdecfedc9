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
	ExitDone        = 0
	ExitFailed      = 1
	ExitUsage       = 2 // the command line or the configuration is wrong
	ExitDeclined    = 3 // somebody said no, or nobody could be asked
	ExitForbidden   = 4
	ExitIncomplete  = 5 // done, and some items failed, or a check found something
	ExitNotFound    = 6
	ExitUnreachable = 7 // no answer, or locked
	ExitInterrupted = 130
)

// ExitError is an error that knows its code.
type ExitError struct {
	Code int
	Err  error // nil: everything was said already
}

// Error returns the text of the cause, empty when there is none.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *ExitError) Unwrap() error { return e.Err }

// codes is the one table of what a kind of error exits with.
func codes() map[inbox.Kind]int {
	return map[inbox.Kind]int{
		inbox.Internal: ExitFailed, inbox.Invalid: ExitUsage, inbox.Unauthorized: ExitForbidden, inbox.Forbidden: ExitForbidden,
		inbox.NotFound: ExitNotFound, inbox.Conflict: ExitFailed, inbox.Unavailable: ExitUnreachable, inbox.TooLarge: ExitFailed,
	}
}

func CodeOf(err error) int {
	var e *ExitError
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	case errors.Is(err, fs.ErrPermission): // whatever could not be done for want of it
		return ExitForbidden
	}
	return codes()[inbox.KindOf(err)]
}

// problem is an error as JSON, as the operator's API writes it.
type problem struct {
	Error struct {
		Code    inbox.Kind `json:"code"`
		Message string     `json:"message"`
		Hint    string     `json:"hint,omitempty"`
	} `json:"error"`
}

// Report says an error and returns its code: in words, or as JSON when the output is JSON. That a check found something, or
// that some items failed, stands in a JSON document that was written to its end, and is not said again.
func (c *Console) Report(err error) int {
	code := CodeOf(err)
	if err == nil || err.Error() == "" {
		return code
	}
	if code == ExitInterrupted {
		err = errors.New("interrupted")
	}
	message, hint := inbox.PrintableText(Shorten(err.Error())), inbox.Printable(Shorten(inbox.HintOf(err)))
	if c.Format == "json" && c.whole && code == ExitIncomplete {
		return code // the document says it; a second one behind it would not parse with it
	}
	if c.InJSON() {
		var body problem
		body.Error.Code, body.Error.Message, body.Error.Hint = wordOf(code, err), message, hint
		_ = json.NewEncoder(printableJSON{c.Err}).Encode(body) // there is nowhere else to say it
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

// Shorten leaves the middle out of a text that is far longer than a message should be, because what it quotes is.
func Shorten(text string) string {
	const most, head, tail = 1200, 600, 300
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return fmt.Sprintf("%s … (%d characters) … %s", string(runes[:head]), len(runes)-head-tail, string(runes[len(runes)-tail:]))
}

// wordOf is the code of an error in JSON: its kind, or, where the exit code says more than that, a word for this.
func wordOf(code int, err error) inbox.Kind {
	words := map[int]inbox.Kind{ExitDeclined: "declined", ExitIncomplete: "incomplete", ExitInterrupted: "interrupted"}
	if word, ok := words[code]; ok {
		return word
	}
	return inbox.KindOf(err)
}

// Incomplete says that part of what was asked failed, or that a check found something.
func Incomplete(format string, args ...any) error {
	return &ExitError{Code: ExitIncomplete, Err: fmt.Errorf(format, args...)}
}

func isBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }
