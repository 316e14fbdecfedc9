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

// Guest is a broken or hostile module, with its expected outcome.
type Guest struct {
	Name        string
	Wasm        []byte
	Outcome     inbox.Result // [Refused] when the module is not loaded
	Says        string       // part of the expected reason
	interpreted inbox.Result // the outcome on the interpreter, if it differs
}

// Manifest returns the text of the manifest NAME.toml for an engine, with the limits that outcomes.txt describes.
func (g Guest) Manifest(engine inbox.Engine) string {
	return fmt.Sprintf("engine = %q\n[limits]\ntime = %q\nmemory = \"16 MiB\"\noutput = \"64 KiB\"\nlog = \"64 KiB\"\n[http]\nprivate = [%q]\n", engine, g.Time(), Nowhere)
}

// Nowhere is the origin that the guests may fetch from: the port discard of this machine, where nothing answers.
const Nowhere = "http://127.0.0.1:9"

// Time returns the time limit of an event. It is long for guests that end, so that only guests without an end reach it.
func (g Guest) Time() time.Duration {
	if g.Outcome == inbox.Timeout {
		return 100 * time.Millisecond
	}
	return 20 * time.Second
}

// On returns the expected outcome on an engine.
func (g Guest) On(engine inbox.Engine) inbox.Result {
	if engine == inbox.Interpreter && g.interpreted != "" {
		return g.interpreted
	}
	return g.Outcome
}

// Refused is the outcome of a module that is not loaded.
const Refused inbox.Result = "refused"

// Corpus reads the table of guests, outcomes.txt, in the directory testdata of package host. Under the race detector it leaves out
// large guests that are loaded, because compiling them takes too long.
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
		if name, ok := strings.CutPrefix(g.Name, "made/"); ok {
			g.Wasm, err = Made(name)
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
