package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"

	"inbox/inbox"
)

func TestFlagsAreMovedBeforeArguments(t *testing.T) {
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

// TestTheNameOfAFlagValueIsOneWord checks the words in backticks of each usage, which the library takes for the name of the value.
func TestTheNameOfAFlagValueIsOneWord(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^([A-Z]+(=[A-Z]+)?)?$`)
	var walk func(commands []*cli.Command)
	walk = func(commands []*cli.Command) {
		for _, c := range commands {
			walk(c.Subcommands)
			for _, f := range c.Flags {
				usage := f.(cli.DocGenerationFlag).GetUsage()
				_, rest, quoted := strings.Cut(usage, "`")
				word, _, _ := strings.Cut(rest, "`")
				if !name.MatchString(word) || strings.Count(usage, "`") > 2 || quoted && !f.(cli.DocGenerationFlag).TakesValue() {
					t.Errorf("%s --%s: %q", c.Name, f.Names()[0], usage)
				}
			}
		}
	}
	walk((&program{}).app().Commands)
}

func TestScriptsRunEveryCommandWithEveryFlag(t *testing.T) {
	t.Parallel()
	run := scriptCommands(t)
	var walk func(path string, commands []*cli.Command)
	walk = func(path string, commands []*cli.Command) {
		for _, c := range commands {
			full := strings.TrimSpace(path + " " + c.Name)
			walk(full, c.Subcommands)
			if len(c.Subcommands) > 0 || c.Hidden || full == "torture" { // torture takes minutes, and package torture tests it
				continue
			}
			if run[full] == nil {
				t.Errorf("no script runs inbox %s", full)
			}
			for _, f := range c.Flags {
				if name := f.Names()[0]; !common(name) && !slices.ContainsFunc(f.Names(), func(n string) bool { return run[full][n] }) {
					t.Errorf("no script runs inbox %s with --%s", full, name)
				}
			}
		}
	}
	walk("", (&program{}).app().Commands)
}

// leaves returns the commands of all depths that are not groups.
func leaves(commands []*cli.Command) []*cli.Command {
	var list []*cli.Command
	for _, c := range commands {
		if len(c.Subcommands) > 0 {
			list = append(list, leaves(c.Subcommands)...)
		} else if !c.Hidden || len(c.Flags) > 0 { // hidden commands without flags are planned ones
			list = append(list, c)
		}
	}
	return list
}

// common reports whether all commands or all lists have a flag. The scripts need not use it with every command.
func common(name string) bool {
	p := &program{}
	for _, f := range slices.Concat(p.commonFlags(spec{remote: true, formats: listFormats()}), filterFlags(), []cli.Flag{cli.HelpFlag}) {
		if slices.Contains(f.Names(), name) {
			return true
		}
	}
	return false
}

// scriptCommands returns the flags that the scripts use, by command.
func scriptCommands(t *testing.T) map[string]map[string]bool {
	t.Helper()
	run := map[string]map[string]bool{}
	files, err := filepath.Glob("testdata/script/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			_, call, ok := strings.Cut(line, " inbox ")
			if !ok || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "std") {
				continue
			}
			path, flags := named(strings.Fields(call))
			if run[path] == nil {
				run[path] = map[string]bool{}
			}
			for _, f := range flags {
				run[path][f] = true
			}
		}
	}
	return run
}

// named returns the main name of the command in a line of words, with its groups, and the names of the flags in the line.
func named(words []string) (path string, flags []string) {
	commands := (&program{}).app().Commands
	for len(words) > 0 {
		i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(words[0]) })
		if i < 0 {
			break
		}
		path = strings.TrimSpace(path + " " + commands[i].Name)
		commands, words = commands[i].Subcommands, words[1:]
	}
	for _, w := range words {
		if isFlag(w) {
			name, _, _ := strings.Cut(strings.TrimLeft(w, "-"), "=")
			flags = append(flags, name)
		}
	}
	return path, flags
}

func TestAFlagIsRejectedAsTheValueOfAnother(t *testing.T) {
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

func TestTheFormatIsKnownBeforeTheFlagsAreParsed(t *testing.T) {
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

// FuzzArgs checks that normalise only moves flags to the front, and that flags and arguments keep their order. So --dry-run is never
// lost.
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
			t.Fatalf("words were lost or added: %s", diff)
		}
		if typed[0] != "replay" {
			return
		}
		end := slices.Index(typed, "--")
		dry := slices.Index(typed, "--dry-run")
		if dry < 0 || end >= 0 && end < dry {
			return
		}
		p, _, _ := testProgram("")
		flags, rest, err := split(p.replayCommand(), typed[1:])
		if err == nil && !slices.Contains(flags, "--dry-run") {
			t.Fatalf("%q lost --dry-run: %q %q", line, flags, rest)
		}
	})
}
