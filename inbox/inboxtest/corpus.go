package inboxtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"inbox/inbox"
)

// Guest is a broken or hostile module, and what must come of it.
type Guest struct {
	Name        string
	Wasm        []byte
	Outcome     inbox.Result // [Refused] when it cannot become a release
	Says        string       // part of the reason
	Interpreted inbox.Result // the outcome by the interpreter
}

// Refused is the outcome of a module that is not loaded.
const Refused inbox.Result = "refused"

// Corpus reads the table of guests in host's testdata, a directory: outcomes.txt.
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
		g := Guest{Name: cells[0], Outcome: inbox.Result(cells[1]), Says: cells[2], Interpreted: inbox.Result(cells[3])}
		if g.Interpreted == "" {
			g.Interpreted = g.Outcome
		}
		if made, ok := strings.CutPrefix(g.Name, "made/"); ok {
			g.Wasm, err = Made(made)
		} else {
			g.Wasm, err = os.ReadFile(filepath.Join(dir, g.Name+".wasm"))
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, g)
	}
	return all
}
