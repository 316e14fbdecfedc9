package inbox

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWhatAnUncleanEndSaysOfTheReleasesThatRan(t *testing.T) {
	now := time.Unix(1, 0)
	is := func(name string, running bool, ends int) CrashRecord {
		return CrashRecord{Plugin: name, Running: running, Ends: ends}
	}
	culprit := CrashRecord{Plugin: "a", Ends: 3, DisabledAt: now, Why: "the program ended while only this release of the crash loop ran"}
	for name, c := range map[string]struct{ was, want []CrashRecord }{
		"the first end in which it ran":             {[]CrashRecord{is("a", true, 0)}, []CrashRecord{is("a", false, 1)}},
		"the third makes a crash loop":              {[]CrashRecord{is("a", true, 2)}, []CrashRecord{is("a", false, 3)}},
		"one without it breaks the row":             {[]CrashRecord{is("a", false, 2), is("b", true, 0)}, []CrashRecord{is("b", false, 1)}},
		"the only one of the loop is the culprit":   {[]CrashRecord{is("a", true, 3)}, []CrashRecord{culprit}},
		"whatever else ran outside the loop":        {[]CrashRecord{is("a", true, 3), is("b", true, 2)}, []CrashRecord{culprit}},
		"others have yet to have their turn":        {[]CrashRecord{is("a", true, 3), is("b", false, 3)}, []CrashRecord{culprit, is("b", false, 3)}},
		"two that ran are both in the loop still":   {[]CrashRecord{is("a", true, 3), is("b", true, 4)}, []CrashRecord{is("a", false, 4), is("b", false, 5)}},
		"an end while none of them ran clears all":  {[]CrashRecord{is("a", false, 3), is("b", false, 3)}, nil},
		"and counts against who ran":                {[]CrashRecord{is("a", false, 3), is("b", true, 1)}, []CrashRecord{is("b", false, 2)}},
		"a disabled release stays disabled":         {[]CrashRecord{culprit, is("b", false, 1)}, []CrashRecord{culprit}},
		"a disabled release does not run with them": {[]CrashRecord{culprit, is("b", true, 3), is("c", true, 3)}, []CrashRecord{culprit, is("b", false, 4), is("c", false, 4)}},
	} {
		if diff := cmp.Diff(c.want, CountCrashes(c.was, now)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
