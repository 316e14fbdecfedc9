package inbox

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestWhichReleaseRuns(t *testing.T) {
	disabled := CrashRecord{DisabledAt: time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)}
	suspected := CrashRecord{Ends: CrashLoopAfter}
	type known = map[string]CrashRecord
	for name, c := range map[string]struct {
		r       PluginRecord
		refused bool
		known   known
		want    Chosen
	}{
		"a new plugin runs its files":                       {PluginRecord{}, false, nil, Chosen{Own: "f", Release: "f"}},
		"changed files replace the live release":            {PluginRecord{Live: "a"}, false, nil, Chosen{Own: "f", Release: "f"}},
		"a rollback holds while the files stay":             {PluginRecord{Live: "f", Pinned: "a", PinnedOff: "f"}, false, nil, Chosen{Own: "a", Release: "a", Pinned: true}},
		"changed files end a rollback":                      {PluginRecord{Live: "a", Pinned: "a", PinnedOff: "b"}, false, nil, Chosen{Own: "f", Release: "f", Unpin: true}},
		"a disabled release leaves the live one running":    {PluginRecord{Live: "a"}, false, known{"f": disabled}, Chosen{Own: "f", Release: "a", Disabled: true}},
		"a disabled live release gives way to the previous": {PluginRecord{Live: "f", Previous: "a"}, false, known{"f": disabled}, Chosen{Own: "f", Release: "a", Disabled: true}},
		"a disabled release without a previous one":         {PluginRecord{Live: "f"}, false, known{"f": disabled}, Chosen{Own: "f", Disabled: true}},
		"two disabled releases":                             {PluginRecord{Live: "f", Previous: "a"}, false, known{"f": disabled, "a": disabled}, Chosen{Own: "f", Disabled: true}},
		"a pinned release that is disabled":                 {PluginRecord{Live: "a", Previous: "b", Pinned: "a", PinnedOff: "f"}, false, known{"a": disabled}, Chosen{Own: "a", Release: "b", Pinned: true, Disabled: true}},
		"a suspected release waits for its turn":            {PluginRecord{Live: "f"}, false, known{"f": suspected}, Chosen{Own: "f", Release: "f", CrashLoop: true}},
		"a suspected fallback waits too":                    {PluginRecord{Live: "f", Previous: "a"}, false, known{"f": disabled, "a": suspected}, Chosen{Own: "f", Release: "a", Disabled: true, CrashLoop: true}},
		"refused files of a new plugin":                     {PluginRecord{}, true, nil, Chosen{Own: "f"}},
		"refused files leave the live release":              {PluginRecord{Live: "a", Previous: "b"}, true, nil, Chosen{Own: "f", Release: "a"}},
		"refused files and a disabled live release":         {PluginRecord{Live: "a", Previous: "b"}, true, known{"a": disabled}, Chosen{Own: "f", Release: "b"}},
		"refused files of the live release":                 {PluginRecord{Live: "f", Previous: "b"}, true, nil, Chosen{Own: "f", Release: "b"}},
		"refused files of a live release that worked":       {PluginRecord{Live: "f", Previous: "b", Proven: true}, true, nil, Chosen{Own: "f"}},
		"refused files and a suspected live release":        {PluginRecord{Live: "a"}, true, known{"a": suspected}, Chosen{Own: "f", Release: "a", CrashLoop: true}},
		"refused files while a rollback holds":              {PluginRecord{Live: "a", Pinned: "a", PinnedOff: "f"}, true, nil, Chosen{Own: "f", Release: "a"}},
	} {
		if got := Running(&c.r, "f", c.refused, c.known); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestADisabledReleaseNeverRuns(t *testing.T) {
	ids := []string{"", "a", "b", "f"}
	rapid.Check(t, func(t *rapid.T) {
		id := func(name string) string { return rapid.SampledFrom(ids).Draw(t, name) }
		r := PluginRecord{Live: id("live"), Previous: id("previous"), Pinned: id("pinned"), PinnedOff: id("pinned off"), Proven: rapid.Bool().Draw(t, "proven")}
		known := map[string]CrashRecord{}
		for _, one := range ids[1:] {
			switch rapid.IntRange(0, 2).Draw(t, one) {
			case 1:
				known[one] = CrashRecord{Release: one, DisabledAt: time.Unix(1, 0)}
			case 2:
				known[one] = CrashRecord{Release: one, Ends: CrashLoopAfter}
			}
		}
		refused := rapid.Bool().Draw(t, "refused")
		got := Running(&r, "f", refused, known)
		switch one := known[got.Release]; {
		case one.disabled():
			t.Fatalf("%+v runs a disabled release", got)
		case got.CrashLoop != one.InCrashLoop():
			t.Fatalf("%+v of %+v", got, one)
		case refused && got.Release == "f" && r.Previous != "f":
			t.Fatalf("%+v runs files that were refused", got)
		case !refused && !got.Disabled && got.Release != got.Own:
			t.Fatalf("%+v does not run the plugin's own release", got)
		}
	})
}

func TestWhatToGoBackToIsWhatHasDoneSomethingWell(t *testing.T) {
	sick := Health{OnHold: true}
	for name, c := range map[string]struct {
		was   PluginRecord
		aside bool
		want  string
	}{
		"the first release":                      {PluginRecord{}, false, ""},
		"one that did something well":            {PluginRecord{Live: "a", Proven: true, Previous: "z"}, false, "a"},
		"one that had no occasion":               {PluginRecord{Live: "a"}, false, "a"},
		"one that had none, after one that had":  {PluginRecord{Live: "a", Previous: "z"}, false, "z"},
		"a sick one":                             {PluginRecord{Live: "a", Proven: true, Health: sick, Previous: "z"}, false, ""},
		"a disabled one":                         {PluginRecord{Live: "a", Proven: true, Previous: "z"}, true, ""},
		"a return to what was there before that": {PluginRecord{Live: "a", Previous: "new"}, false, ""},
	} {
		if got := c.was.Predecessor("new", c.aside); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
