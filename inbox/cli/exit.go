package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"inbox/inbox"
	"inbox/inbox/api"
)

// The exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2 // the command line or the configuration is wrong
	exitDeclined    = 3 // somebody said no, or nobody could be asked
	exitForbidden   = 4
	exitSome        = 5 // done, and some items failed, or a check found something
	exitNotFound    = 6
	exitUnreachable = 7 // no answer, or locked
	exitInterrupted = 130
)

// exit is an error that knows its code.
type exit struct {
	code int
	err  error // nil: everything was said already
}

// Error returns the text of the cause, empty when there is none.
func (e *exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

// Unwrap returns the cause.
func (e *exit) Unwrap() error { return e.err }

// codes is the one table of what a kind of error exits with.
func codes() map[inbox.Kind]int {
	return map[inbox.Kind]int{
		inbox.Internal: exitFailed, inbox.Invalid: exitUsage, inbox.Unauthorized: exitForbidden, inbox.Forbidden: exitForbidden,
		inbox.NotFound: exitNotFound, inbox.Conflict: exitFailed, inbox.Unavailable: exitUnreachable, inbox.TooLarge: exitFailed,
	}
}

func codeOf(err error) int {
	var e *exit
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &e):
		return e.code
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, fs.ErrPermission): // whatever could not be done for want of it
		return exitForbidden
	}
	return codes()[inbox.KindOf(err)]
}

// report says an error and returns its code: in words, or as JSON when the output is JSON. That a check found something, or
// that some items failed, stands in a JSON document that was written to its end, and is not said again.
func (p *program) report(err error) int {
	code := codeOf(err)
	if err == nil || err.Error() == "" {
		return code
	}
	if code == exitInterrupted {
		err = errors.New("interrupted")
	}
	message, hint := inbox.PrintableText(shortened(err.Error())), inbox.Printable(shortened(inbox.HintOf(err)))
	if p.format == "json" && p.whole && code == exitSome {
		return code // the document says it; a second one behind it would not parse with it
	}
	if p.inJSON() {
		body := api.Problem{Error: api.ProblemBody{Code: wordOf(code, err), Message: message, Hint: hint}}
		_ = json.NewEncoder(printableJSON{p.err}).Encode(body) // there is nowhere else to say it
		return code
	}
	for line := range strings.SplitSeq(message, "\n") {
		fmt.Fprintf(p.err, "inbox: %s\n", line)
	}
	if hint != "" {
		fmt.Fprintf(p.err, "inbox: %s\n", inbox.Printable(hint))
	}
	return code
}

// shortened leaves the middle out of a text that is far longer than a message should be, because what it quotes is.
func shortened(text string) string {
	const most, head, tail = 1200, 600, 300
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return fmt.Sprintf("%s … (%d characters) … %s", string(runes[:head]), len(runes)-head-tail, string(runes[len(runes)-tail:]))
}

// wordOf is the code of an error in JSON: its kind, or, where the exit code says more than that, a word for this.
func wordOf(code int, err error) inbox.Kind {
	words := map[int]inbox.Kind{exitDeclined: "declined", exitSome: "incomplete", exitInterrupted: "interrupted"}
	if word, ok := words[code]; ok {
		return word
	}
	return inbox.KindOf(err)
}

// some says that part of what was asked failed, or that a check found something.
func some(format string, args ...any) error {
	return &exit{code: exitSome, err: fmt.Errorf(format, args...)}
}

func isBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }
