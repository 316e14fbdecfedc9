package cli

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
)

func TestFlagsComeBeforeArgumentsWhereverTheyWereTyped(t *testing.T) {
	t.Parallel()
	commands := (&program{}).app().Commands
	for typed, want := range map[string]string{
		"replay evt_1 --dry-run":              "replay --dry-run evt_1",
		"replay evt_1 evt_2 -y --event a":     "replay -y --event a evt_1 evt_2",
		"replay evt_1 --event=a --dry-run":    "replay --event=a --dry-run evt_1",
		"replay --event a evt_1 --limit -5":   "replay --event a --limit -5 evt_1",
		"replay evt_1 -- --dry-run":           "replay evt_1 -- --dry-run",
		"replay --dry-run -- evt_1":           "replay --dry-run -- evt_1",
		"replay - -y":                         "replay -y -",
		"replay evt_1 --nonsense x":           "replay --nonsense evt_1 x",
		"replay evt_1 --event":                "replay --event evt_1",
		"replay evt_1 --json=false":           "replay --json=false evt_1",
		"replay evt_1 --where /a=--dry-run":   "replay --where /a=--dry-run evt_1",
		"event show evt_1 --reveal":           "event show --reveal evt_1",
		"events get evt_1 --raw":              "events get --raw evt_1",
		"plugin rollback crm --to abc":        "plugin rollback --to abc crm",
		"send workflow --count 3 --same":      "send --count 3 --same workflow",
		"send --data --{ workflow":            "send --data --{ workflow",
		"--data x replay evt_1 --dry-run":     "--data x replay evt_1 --dry-run",
		"plugin nonsense x --dry-run":         "plugin nonsense x --dry-run",
		"plugin":                              "plugin",
		"plugin new x --lang go":              "plugin new x --lang go",
		"__complete -- replay evt_1 --dry-ru": "__complete -- replay evt_1 --dry-ru",
		"--version":                           "version",
		"":                                    "",
	} {
		got, err := normalise(commands, strings.Fields(typed))
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q became %q, %v, want %q", typed, strings.Join(got, " "), err, want)
		}
	}
}

func TestAFlagIsNotTakenForTheValueOfAnother(t *testing.T) {
	t.Parallel()
	commands := (&program{}).app().Commands
	for _, typed := range []string{
		"replay --event --dry-run", "replay evt_1 --event -y", "replay --plugin --", "dead retry --key --all", "replay --event --dry-run=true x",
	} {
		if got, err := normalise(commands, strings.Fields(typed)); inbox.KindOf(err) != inbox.Invalid {
			t.Errorf("%q became %q, %v", typed, got, err)
		}
	}
}

func TestTheFormatIsKnownBeforeTheFlagsAreRead(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"event list": "table", "event list --json": "json", "event list -o jsonl": "jsonl", "event list --output=ids x": "ids",
		"event list -o": "table", "event list --json=false": "table", "event list -- --json": "table",
	} {
		if got := formatOf(strings.Fields(typed)); got != want {
			t.Errorf("%q: %s, want %s", typed, got, want)
		}
	}
}

// FuzzArgs checks the law of the normaliser: it only moves words, flags to the front, and each side keeps its order;
// so a dry run is never lost.
func FuzzArgs(f *testing.F) {
	for _, seed := range []string{"replay evt_1 --dry-run", "replay --event a -- -x", "dead retry -y a --all", "x --dry-run", "event list -o json - a"} {
		f.Add(seed)
	}
	commands := (&program{}).app().Commands
	f.Fuzz(func(t *testing.T, line string) {
		typed := strings.Split(line, " ")
		if len(typed) > 0 && typed[0] == "--version" {
			return
		}
		got, err := normalise(commands, slices.Clone(typed))
		if err != nil {
			return
		}
		a, b := slices.Clone(typed), slices.Clone(got)
		slices.Sort(a)
		slices.Sort(b)
		if diff := cmp.Diff(a, b); diff != "" {
			t.Fatalf("words were lost or made: %s", diff)
		}
		if typed[0] != "replay" {
			return
		}
		end := slices.Index(typed, "--")
		dry := slices.Index(typed, "--dry-run")
		if dry < 0 || end >= 0 && end < dry {
			return
		}
		var out, errs bytes.Buffer
		p := &program{in: strings.NewReader(""), out: &out, err: &errs, getenv: func(string) string { return "" }}
		flags, rest, err := split(p.replayCommand(), typed[1:])
		if err == nil && !slices.Contains(flags, "--dry-run") {
			t.Fatalf("%q lost its dry run: %q %q", line, flags, rest)
		}
	})
}
