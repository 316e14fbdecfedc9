package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// inSentence matches the commands in the sentences and tables of a manual.
var inSentence = regexp.MustCompile("`(inbox [^`]+)`")

// placeholder matches the words of a manual that the reader replaces.
var placeholder = regexp.MustCompile(`\b(ID|KEY|NAME|FILE)\b|…`)

// long matches the commands that take minutes. Other scripts and tests run them with less work.
var long = regexp.MustCompile(`^inbox (bench|torture|__tortured)\b`)

func TestEveryCommandInTheManualsIsRunInManualTxt(t *testing.T) {
	t.Parallel()
	story := readText(t, "testdata/script/manual.txt")
	manuals, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(manuals) == 0 {
		t.Fatal(manuals, err)
	}
	found := 0
	for _, manual := range append(manuals, "../../README.md") {
		for _, m := range inSentence.FindAllStringSubmatch(readText(t, manual), -1) {
			found++
			if long.MatchString(m[1]) {
				continue
			}
			typed := placeholder.ReplaceAllString(regexp.QuoteMeta(m[1]), ".+")
			// In the script, commands that ask have -y, and checks exit with a code.
			if line := regexp.MustCompile(`(?m)^(exec|exits 5) ` + typed + `( -y)?( &\w+&)?$`); !line.MatchString(story) {
				t.Errorf("%s contains %s, but manual.txt does not run it", filepath.Base(manual), m[1])
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d commands were found: is the pattern right?", found)
	}
}

func TestAllFlagsInTheManualsExist(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, c := range leaves((&program{}).app().Commands) {
		for _, f := range c.Flags {
			for _, name := range f.Names() {
				known[dashed(name)] = true
			}
		}
	}
	flag, fenced := regexp.MustCompile("`[^`]*`"), regexp.MustCompile("(?ms)^```.*?^```$")
	manuals, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, manual := range append(manuals, "../../README.md", "../../CHANGELOG.md") {
		for _, span := range flag.FindAllString(fenced.ReplaceAllString(readText(t, manual), ""), -1) {
			if strings.Contains(span, "curl ") { // curl has its own flags
				continue
			}
			for word := range strings.FieldsSeq(strings.Trim(span, "`")) {
				if name, _, _ := strings.Cut(word, "="); strings.HasPrefix(name, "--") && !known[name] {
					t.Errorf("%s has the unknown flag %s in %s", filepath.Base(manual), name, span)
				}
			}
		}
	}
}

// pasted returns the lines in the shell blocks of a manual.
func pasted(text string) []string {
	var lines []string
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```sh"
		case inside && line != "":
			lines = append(lines, line)
		}
	}
	return lines
}

func TestOnlyTheREADMEHasShellBlocks(t *testing.T) {
	t.Parallel()
	manuals, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, manual := range manuals {
		if lines := pasted(readText(t, manual)); len(lines) > 0 {
			t.Errorf("%s has shell blocks, which TestTheCommandsOfTheREADMESucceed does not run: %q", manual, lines)
		}
	}
	if lines := pasted(readText(t, "../../README.md")); !slices.Contains(lines, "go run . serve --demo") {
		t.Errorf("the README's first command is not found in %q", lines)
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
