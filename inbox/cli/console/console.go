// Package console reads the input and writes the output of commands. It does not know the commands, their flags or the store:
// package cli sets the format of the output.
//
// Standard output has the data, as tables, JSON or ids. Standard error has the messages: each line begins with "inbox:", in lower
// case, without a full stop. Every text is made safe for terminals before it is written. The exit codes are in exit.go.
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

// Console holds the streams, the environment and the output style of one run of a command.
type Console struct {
	Streams
	Style
	Getenv   func(string) string
	Now      func() time.Time
	Zone     *time.Location // zone in which times are parsed and printed
	ZoneNote string         // the warning of ZoneProblem about TZ; cleared once it is written

	complete bool // a document or list was written to its end
}

// Streams are the standard streams of a command. The flags report which of them are terminals.
type Streams struct {
	In                                   io.Reader
	Out                                  *Output
	Err                                  io.Writer
	InTerminal, OutTerminal, ErrTerminal bool
}

// Style holds the flags that change the output of a command.
type Style struct {
	Format string // format of the output: table, json, jsonl or ids
	Wide   bool   // tables are not fitted to the terminal
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

// InJSON reports whether the output is JSON. Then standard error has at most an error, as one JSON object, so that a program can parse
// both streams merged.
func (s Style) InJSON() bool { return s.Format == "json" || s.Format == "jsonl" }

// Say writes a message to standard error. It does nothing with --quiet or when the output is JSON.
func (c *Console) Say(format string, args ...any) {
	if !c.Quiet && !c.InJSON() {
		c.Talk(format, args...)
	}
}

// Talk writes a message to standard error, also with --quiet and when the output is JSON.
func (c *Console) Talk(format string, args ...any) {
	fmt.Fprintf(c.Err, "inbox: %s\n", inbox.PrintableText(fmt.Sprintf(format, args...)))
}

// Print writes data to standard output. It makes the text safe for terminals; callers escape JSON before, so that its values stay
// exact. An error must end the command.
func (c *Console) Print(format string, args ...any) error {
	if _, err := io.WriteString(c.Out, inbox.PrintableText(fmt.Sprintf(format, args...))); err != nil {
		return outputError(err)
	}
	return nil
}

// Document writes one value as JSON with indentation.
func (c *Console) Document(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	c.complete = true
	return c.Print("%s\n", inbox.PrintableJSON(text))
}

// Raw writes bytes to standard output as they are.
func (c *Console) Raw(data []byte) error {
	if _, err := c.Out.Write(data); err != nil {
		return outputError(err)
	}
	return nil
}

// OutputErr returns the first error of standard output, with its exit code.
func (c *Console) OutputErr() error {
	if c.Out.err == nil {
		return nil
	}
	return outputError(c.Out.err)
}

// Output is standard output. It keeps its first error, so that a command also fails when a library ignored the error, as in the
// output of help.
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

// outputError returns the error of a command whose standard output failed. It has exit code 0 when the reader closed the pipe.
func outputError(err error) error {
	if errors.Is(err, io.ErrClosedPipe) || isBrokenPipe(err) {
		return &ExitError{Code: ExitDone}
	}
	return &ExitError{Code: ExitFailed, Err: inbox.Errorf(inbox.Unavailable, "write the output", "%w", err).WithHint("the output is incomplete")}
}
