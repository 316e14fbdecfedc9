// Package console reads from and writes to the person or the program that called a command. It knows neither commands
// and their flags nor the store: package cli stands before it and tells it the output format and the answers of flags.
//
// Standard output carries data, as tables, JSON or ids. Standard error carries messages: each line begins with "inbox:",
// in lower case, without a full stop. Every text is made safe for terminals before it is written. The exit codes are in
// exit.go.
package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"inbox/inbox"
)

// Console is the surroundings of one run of a command: its streams, its environment, and the chosen style of output.
type Console struct {
	Streams
	Style
	Getenv   func(string) string
	Now      func() time.Time
	Zone     *time.Location // times are read and shown in it
	ZoneNote string         // the warning that ZoneProblem returned for TZ; it is cleared when it was written

	whole bool // a document or list was written to its end
}

// Streams are the standard streams of a command, and which of them are terminals.
type Streams struct {
	In                                   io.Reader
	Out                                  *Output
	Err                                  io.Writer
	InTerminal, OutTerminal, ErrTerminal bool
}

// Style is the part of a command's flags that changes how it writes.
type Style struct {
	Format string // of the output: table, json, jsonl or ids
	Wide   bool   // tables on a terminal are not made to fit it
	Quiet  bool   // Say writes nothing
}

// Process returns the console of this process.
func Process() Console {
	return Console{
		Streams: Streams{
			In: os.Stdin, Out: &Output{To: os.Stdout}, Err: os.Stderr,
			InTerminal: isTerminal(os.Stdin), OutTerminal: isTerminal(os.Stdout), ErrTerminal: isTerminal(os.Stderr),
		},
		Getenv: os.Getenv, Now: time.Now, Zone: time.Local, ZoneNote: ZoneProblem(os.Getenv("TZ")),
	}
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// InJSON reports whether the output is JSON. Then standard error holds nothing but an error, as one JSON object, so that
// a program that reads both streams at once can parse them.
func (s Style) InJSON() bool { return s.Format == "json" || s.Format == "jsonl" }

// Say writes a message to standard error, unless --quiet was given or the output is JSON.
func (c *Console) Say(format string, args ...any) {
	if !c.Quiet && !c.InJSON() {
		c.Talk(format, args...)
	}
}

// Talk writes a message to standard error in every style.
func (c *Console) Talk(format string, args ...any) {
	fmt.Fprintf(c.Err, "inbox: %s\n", inbox.PrintableText(fmt.Sprintf(format, args...)))
}

// Print writes data to standard output. The text is made safe for terminals; JSON is escaped before, so that its values
// stay exact. The error ends the command.
func (c *Console) Print(format string, args ...any) error {
	if _, err := io.WriteString(c.Out, inbox.PrintableText(fmt.Sprintf(format, args...))); err != nil {
		return outputGone(err)
	}
	return nil
}

// Document writes one value as JSON with indentation.
func (c *Console) Document(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	c.whole = true
	return c.Print("%s\n", inbox.PrintableJSON(text))
}

// Raw writes bytes to standard output as they are.
func (c *Console) Raw(data []byte) error {
	if _, err := c.Out.Write(data); err != nil {
		return outputGone(err)
	}
	return nil
}

// OutputErr returns the first error of standard output, as the error that ends the command.
func (c *Console) OutputErr() error {
	if c.Out.err == nil {
		return nil
	}
	return outputGone(c.Out.err)
}

// Output is standard output. It keeps its first error, so that a command also fails when a library wrote the text and
// ignored the error, as for help.
type Output struct {
	To  io.Writer
	err error
}

// Write writes to standard output.
func (o *Output) Write(text []byte) (int, error) {
	n, err := o.To.Write(text)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// outputGone returns the error that ends the command after standard output failed. A reader that closed its pipe ends the
// command with success.
func outputGone(err error) error {
	if errors.Is(err, io.ErrClosedPipe) || isBrokenPipe(err) {
		return &ExitError{Code: ExitDone}
	}
	return &ExitError{Code: ExitFailed, Err: inbox.Errorf(inbox.Unavailable, "write the output", "%w", err).WithHint("what was written is not whole")}
}
