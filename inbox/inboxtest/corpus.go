package inboxtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
)

// Guest is a broken or hostile module, and what must come of it.
type Guest struct {
	Name        string
	Wasm        []byte
	Outcome     inbox.Result // [Refused] when it cannot become a release
	Says        string       // part of the reason
	interpreted inbox.Result // the outcome by the interpreter, if it is another
}

// Manifest is what outcomes.txt says of the limits, as NAME.toml, for an engine.
func (g Guest) Manifest(engine inbox.Engine) string {
	return fmt.Sprintf("engine = %q\n[limits]\ntime = %q\nmemory = \"16 MiB\"\noutput = \"64 KiB\"\nlog = \"64 KiB\"\n", engine, g.Time())
}

// Time is what an event may take: long, so that only what runs for ever runs into it.
func (g Guest) Time() time.Duration {
	if g.Outcome == inbox.Timeout {
		return 100 * time.Millisecond
	}
	return 20 * time.Second
}

// On is the outcome by an engine.
func (g Guest) On(engine inbox.Engine) inbox.Result {
	if engine == inbox.Interpreter && g.interpreted != "" {
		return g.interpreted
	}
	return g.Outcome
}

// Refused is the outcome of a module that is not loaded.
const Refused inbox.Result = "refused"

// Corpus reads the table of guests in host's testdata, a directory: outcomes.txt. Under the race detector it leaves out what is
// made for the compiler and is not refused.
func Corpus(t testing.TB, dir string) []Guest {
	t.Helper()
	table, err := os.ReadFile(filepath.Join(dir, "outcomes.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var all []Guest
	for line := range strings.Lines(string(table)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		cells := append(strings.Split(line, "|"), "", "")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		g := Guest{Name: cells[0], Outcome: inbox.Result(cells[1]), Says: cells[2], interpreted: inbox.Result(cells[3])}
		if made, ok := strings.CutPrefix(g.Name, "made/"); ok {
			g.Wasm, err = Made(made)
		} else {
			g.Wasm, err = os.ReadFile(filepath.Join(dir, g.Name+".wasm"))
		}
		if err != nil {
			t.Fatal(err)
		}
		if Race && len(g.Wasm) > 100_000 && g.Outcome != Refused {
			continue
		}
		all = append(all, g)
	}
	return all
}
