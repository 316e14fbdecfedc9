package qoreid

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"inbox/inbox"
)

// Authors test the branches of a plugin with the words in the manual.
func TestTheManualListsTheWordsThatMakeAVerdict(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/WRITING-PLUGINS.md")
	if err != nil {
		t.Fatal(err)
	}
	word, listed := regexp.MustCompile("`([a-z_]+)`"), map[string]inbox.Verdict{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		verdict := inbox.Verdict(strings.Trim(cells[1], " `"))
		if !slices.Contains([]inbox.Verdict{inbox.Passed, inbox.Failed, inbox.Pending}, verdict) {
			continue
		}
		for _, m := range word.FindAllStringSubmatch(cells[2], -1) {
			listed[m[1]] = verdict
		}
	}
	if !maps.Equal(listed, verdicts) {
		t.Errorf("the manual has %v, the program %v", listed, verdicts)
	}
}

func TestAStatusIsKnownWhenItHasAMeaningOrIsAVerdict(t *testing.T) {
	for _, word := range []string{"passed", "Failed", "unknown", "NOT VERIFIED", "id-verified", "in_progress"} {
		if !KnowsStatus(word) {
			t.Errorf("%q is not known", word)
		}
	}
	for _, word := range []string{"", "vreified", "passed!", "held"} {
		if KnowsStatus(word) {
			t.Errorf("%q is known", word)
		}
	}
}
