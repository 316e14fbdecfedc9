package inbox_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// A name of a test that nobody has would make CI run nothing, and pass.
func TestEveryTestThatCISelectsExists(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	var names strings.Builder
	declaration := regexp.MustCompile(`(?m)^func Test\w+`)
	walkFiles(t, "..", func(path string, text []byte) {
		if strings.HasSuffix(path, "_test.go") {
			names.WriteString(strings.Join(declaration.FindAllString(string(text), -1), "\n") + "\n")
		}
	})
	selected := regexp.MustCompile(`-run '?([\w|]+)'?`).FindAllStringSubmatch(string(script), -1)
	if len(selected) < 4 {
		t.Fatalf("found %d selections in .ci/run", len(selected))
	}
	for _, m := range selected {
		for word := range strings.SplitSeq(m[1], "|") {
			if !regexp.MustCompile(`Test\w*` + word).MatchString(names.String()) {
				t.Errorf(".ci/run selects %q, and no test has it in its name", word)
			}
		}
	}
}
