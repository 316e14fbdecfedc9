package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"inbox/inbox/cli/console"
	"inbox/inbox/config"
)

// testProgram returns a program whose streams are buffers. Tests that run a command in it must not be parallel: the library's help
// flag is one variable for all commands.
func testProgram(input string) (p *program, out, errs *bytes.Buffer) {
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	now := time.Date(2026, 11, 20, 14, 5, 0, 0, time.UTC)
	p = &program{
		Console: console.Console{
			Streams: console.Streams{In: strings.NewReader(input), Out: &console.Output{To: out}, Err: errs}, Style: console.Style{Format: "table"},
			Getenv: func(string) string { return "" }, Now: func() time.Time { return now }, Zone: time.FixedZone("WAT", 3600),
		},
		ctx: context.Background(),
	}
	return p, out, errs
}

// testTerminal returns a program whose standard output is a terminal with a number of columns.
func testTerminal(columns int) (p *program, out, errs *bytes.Buffer) {
	p, out, errs = testProgram("")
	p.OutTerminal = true
	p.Getenv = func(name string) string { return map[string]string{"COLUMNS": fmt.Sprint(columns)}[name] }
	return p, out, errs
}

// widest returns the widest line of a text, and its columns.
func widest(text string) (longest string, columns int) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); console.TextWidth(line) > columns {
			longest, columns = line, console.TextWidth(line)
		}
	}
	return longest, columns
}

// settingsFor loads settings without a file, with a data directory and, if given, a format of the log.
func (p *program) settingsFor(t *testing.T, format ...string) (*config.Settings, error) {
	t.Helper()
	flags := map[string]string{"data": t.TempDir()}
	for _, f := range format {
		flags["log-format"] = f
	}
	return config.Load(config.Inputs{Flags: flags, Getenv: p.Getenv})
}
