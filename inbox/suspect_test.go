package inbox

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWhatAnUncleanEndSaysOfTheReleasesThatRan(t *testing.T) {
	now := time.Unix(1, 0)
	is := func(name string, running bool, ends int) Suspect {
		return Suspect{Plugin: name, Running: running, Ends: ends}
	}
	culprit := Suspect{Plugin: "a", Ends: 3, AsideAt: now, Why: "the program ended while it was the only suspect that ran"}
	for name, c := range map[string]struct{ was, want []Suspect }{
		"the first end in which it ran":             {[]Suspect{is("a", true, 0)}, []Suspect{is("a", false, 1)}},
		"the third makes a suspect":                 {[]Suspect{is("a", true, 2)}, []Suspect{is("a", false, 3)}},
		"one without it breaks the row":             {[]Suspect{is("a", false, 2), is("b", true, 0)}, []Suspect{is("b", false, 1)}},
		"the only suspect that ran is the culprit":  {[]Suspect{is("a", true, 3)}, []Suspect{culprit}},
		"whoever else ran that was no suspect":      {[]Suspect{is("a", true, 3), is("b", true, 2)}, []Suspect{culprit}},
		"others have yet to have their turn":        {[]Suspect{is("a", true, 3), is("b", false, 3)}, []Suspect{culprit, is("b", false, 3)}},
		"two that ran are both suspects still":      {[]Suspect{is("a", true, 3), is("b", true, 4)}, []Suspect{is("a", false, 4), is("b", false, 5)}},
		"an end while no suspect ran clears all":    {[]Suspect{is("a", false, 3), is("b", false, 3)}, nil},
		"and counts against who ran":                {[]Suspect{is("a", false, 3), is("b", true, 1)}, []Suspect{is("b", false, 2)}},
		"what was set aside stays so":               {[]Suspect{culprit, is("b", false, 1)}, []Suspect{culprit}},
		"what was set aside is not tried with them": {[]Suspect{culprit, is("b", true, 3), is("c", true, 3)}, []Suspect{culprit, is("b", false, 4), is("c", false, 4)}},
	} {
		if diff := cmp.Diff(c.want, Reckon(c.was, now)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
