package inbox

import (
	"strings"
	"testing"
)

func TestARefusalIsToldWithItsNumberAndWhatToDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		r    Refusal
		want string
	}{
		{Refusal{Source: "qoreid", Why: RefusedTooLarge, Lost: true, Count: 1}, "1 signed webhook of source qoreid was larger than max_body"},
		{Refusal{Source: "qoreid", Why: RefusedTooLarge, Count: 2}, "2 requests of source qoreid were larger than max_body"},
		{Refusal{Why: RefusedPath, Lost: true, Count: 20}, "20 signed webhooks were sent to a path that no source has"},
		{Refusal{Why: RefusedConnections, Count: 1}, "1 connection was closed"},
		{Refusal{Why: RefusedUnreadable, Count: 2}, "2 requests could not be read as HTTP"},
		{Refusal{Source: "q", Why: RefusedMethod, Lost: true, Count: 2}, "2 signed webhooks of source q came with another method"},
		{Refusal{Source: "q", Why: RefusedBusy, Lost: true, Count: 2}, "2 signed webhooks of source q were answered 503"},
		{Refusal{Source: "q", Why: RefusedSlow, Lost: true, Count: 1}, "1 signed webhook of source q arrived too slowly and was given up"},
		{Refusal{Source: "q", Why: RefusedIncomplete, Count: 3}, "3 requests of source q ended before"},
		{Refusal{Source: "q", Why: "mismatch", Lost: true, Count: 3}, "3 signed webhooks of source q did not pass (mismatch) and were not kept"},
		{Refusal{Source: "q", Why: "missing", Count: 3}, "3 requests of source q did not pass (missing)"},
	} {
		text, hint := c.r.Says()
		if !strings.HasPrefix(text, c.want) || hint == "" {
			t.Errorf("%+v: %q, %q", c.r, text, hint)
		}
	}
}

func TestAHeaderIsReadFromAllItsLines(t *testing.T) {
	t.Parallel()
	headers := []Header{{"a", "1"}, {"B", ""}, {"A", " "}, {"a", "2, 3"}, {"b", " "}}
	for name, want := range map[string]string{"A": "1, 2, 3", "a": "1, 2, 3", "b": "", "c": ""} {
		if got := HeaderValue(headers, name); got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
}
