package inbox_test

import (
	"testing"

	"pgregory.net/rapid"

	"inbox/inbox"
)

func TestAWordThatWasProbablyMeantIsFound(t *testing.T) {
	t.Parallel()
	words := []string{"list", "show", "tail", "retry", "discard", "rollback", "pause", "resume", "a"}
	for typed, want := range map[string]string{
		"lst": "list", "lsit": "list", "tial": "tail", "shwo": "show", "retyr": "retry", "rolback": "rollback", "rollbakc": "rollback",
		"puase": "pause", "resum": "resume", "discrad": "discard", "list": "list",
		"": "", "x": "", "xyzzy": "", "sh": "", "on": "", "stail ed": "",
	} {
		if got := inbox.Nearest(typed, words); got != want {
			t.Errorf("for %q it finds %q, want %q", typed, got, want)
		}
	}
}

func TestTwoSwappedLettersAreOneMistake(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z]{3,20}`).Draw(t, "word")
		i := rapid.IntRange(0, len(word)-2).Draw(t, "place")
		typed := []byte(word)
		typed[i], typed[i+1] = typed[i+1], typed[i]
		if got := inbox.Nearest(string(typed), []string{"q", word}); got != word {
			t.Fatalf("for %q it finds %q, not %q", typed, got, word)
		}
	})
}
