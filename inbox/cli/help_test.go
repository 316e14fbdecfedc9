package cli

import (
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// leafPaths returns the words of every command that is not a group.
func leafPaths(commands []*cli.Command, before ...string) (paths [][]string) {
	for _, c := range commands {
		path := append(append([]string(nil), before...), c.Name)
		switch {
		case len(c.Subcommands) > 0:
			paths = append(paths, leafPaths(c.Subcommands, path...)...)
		case !c.SkipFlagParsing:
			paths = append(paths, path)
		}
	}
	return paths
}

func TestNoHelpIsWiderThan80ColumnsAndEveryFlagIsInIt(t *testing.T) {
	app := (&program{}).app()
	looked := 0
	for _, path := range append(leafPaths(app.Commands), nil, []string{"event"}, []string{"plugin"}, []string{"db"}) {
		for _, columns := range []int{0, 50, 80, 300} {
			p, out, errs := testTerminal(columns)
			if code := p.run(t.Context(), append(path, "--help")); code != 0 || errs.Len() > 0 {
				t.Fatalf("inbox %s --help exits with %d: %s", strings.Join(path, " "), code, errs)
			}
			most := map[int]int{0: helpWidth, 300: helpWidest}[columns]
			if most == 0 {
				most = columns
			}
			line, n := widest(out.String())
			if n > most && strings.Contains(strings.TrimSpace(line), " ") {
				t.Errorf("inbox %s --help on %d columns: %d: %q", strings.Join(path, " "), columns, n, line)
			}
			if strings.Contains(out.String(), "{{") || strings.Contains(out.String(), "`") && !strings.Contains(out.String(), "`inbox") && !strings.Contains(out.String(), "`serve") {
				t.Errorf("inbox %s --help: %s", strings.Join(path, " "), out)
			}
			looked++
		}
	}
	for _, c := range leaves(app.Commands) {
		h := helper{width: 80}
		text := h.command(c.HelpName, c.Usage, "", c.Description, nil, c.Flags)
		for _, f := range c.Flags {
			if !strings.Contains(text, " "+dashed(f.Names()[0])) {
				t.Errorf("inbox %s --help does not name %s", c.Name, dashed(f.Names()[0]))
			}
		}
	}
	if looked < 100 {
		t.Errorf("only %d help texts were checked", looked)
	}
}

func TestHelpIgnoresFurtherArguments(t *testing.T) {
	for _, typed := range []string{"event show x --help", "event show -h x y", "help event show", "event get x -h"} {
		p, out, errs := testProgram("")
		if code := p.run(t.Context(), strings.Fields(typed)); code != 0 || !strings.Contains(out.String(), "inbox event show") {
			t.Errorf("%s exits with %d: %s%s", typed, code, out, errs)
		}
	}
	p, out, _ := testProgram("")
	if code := p.run(t.Context(), strings.Fields("replay -- --help")); code != 2 || out.Len() > 0 {
		t.Errorf("an argument after -- is taken for a flag: %d %s", code, out)
	}
}
