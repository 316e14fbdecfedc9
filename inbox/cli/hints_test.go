package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// TestEveryCommandThatTheProgramNamesExists checks all literals of the program, so that a pasted hint is a valid command.
func TestEveryCommandThatTheProgramNamesExists(t *testing.T) {
	t.Parallel()
	quoted := regexp.MustCompile("[`'](inbox [a-z-][^`'\n]*)[`']")
	commands := (&program{}).app().Commands
	found := 0
	err := filepath.WalkDir("../..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		say := func(at token.Pos, text string) {
			for _, m := range quoted.FindAllStringSubmatch(text, -1) {
				found++
				if why := unknown(commands, strings.Fields(m[1])[1:]); why != "" {
					t.Errorf("%s: %s: %s", set.Position(at), m[1], why)
				}
			}
		}
		for _, c := range file.Comments {
			say(c.Pos(), c.Text())
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil {
					say(lit.Pos(), text)
				}
			}
			return true
		})
		return nil
	})
	if err != nil || found < 30 {
		t.Errorf("%d commands, %v", found, err)
	}
}

// unknown returns the first mistake in the words after "inbox", or an empty string.
func unknown(commands []*cli.Command, words []string) string {
	var leaf *cli.Command
	for len(words) > 0 && (leaf == nil || len(leaf.Subcommands) > 0) {
		i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(words[0]) && (!c.Hidden || len(c.Flags) > 0) }) // hidden commands without flags are planned ones
		if i < 0 {
			return "there is no command " + words[0]
		}
		leaf, commands, words = commands[i], commands[i].Subcommands, words[1:]
	}
	if leaf == nil || len(leaf.Subcommands) > 0 {
		return ""
	}
	takes := leaf.ArgsUsage != ""
	for i, w := range words {
		switch name, _, _ := strings.Cut(strings.TrimLeft(w, "-"), "="); {
		case isFlag(w) && findFlag(leaf, name) == nil:
			return "it has no flag " + w
		case !isFlag(w) && !takes && (i == 0 || !isFlag(words[i-1])):
			return "it takes no " + w
		case !isFlag(w) && strings.ToLower(w) == w && !strings.ContainsAny(w, "%\".<") && (i == 0 || !isFlag(words[i-1])) && leaf.Name == "replay":
			return "its arguments are ids, not " + w
		}
	}
	return ""
}
