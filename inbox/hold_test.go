package inbox_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"inbox/inbox"
)

// after applies outcomes, each on the lane of its letter, and returns the health they leave.
func after(p inbox.Policy, steps ...string) inbox.Health {
	var h inbox.Health
	for i, step := range steps {
		var lane, result string
		fmt.Sscanf(step, "%s %s", &lane, &result)
		h = inbox.Hold(h, int64(i+1), inbox.LaneID{Mode: inbox.Live, Key: lane}, inbox.Outcome{Result: inbox.Result(result)}, p, noon)
	}
	return h
}

func TestHoldTellsASickPluginFromABadEvent(t *testing.T) {
	t.Parallel()
	p := inbox.DefaultPolicy()
	for _, c := range []struct {
		name  string
		steps []string
		want  bool
	}{
		{"five failures over three lanes", []string{"a trap", "b trap", "c exit", "a trap", "b retry"}, true},
		{"four failures are not enough", []string{"a trap", "b trap", "c trap", "d trap"}, false},
		{"one lane alone is a bad event", []string{"a trap", "a trap", "a trap", "a trap", "a trap", "a trap", "a trap"}, false},
		{"two lanes are not enough", []string{"a trap", "b trap", "a trap", "b trap", "a trap"}, false},
		{"a success in between ends the streak", []string{"a trap", "b trap", "c trap", "d ok", "a trap", "b trap"}, false},
		{"a skip ends it too", []string{"a trap", "b trap", "c trap", "d skip", "a trap", "b trap"}, false},
		{"a reject neither ends nor lengthens it", []string{"a trap", "b trap", "c reject", "d trap", "a trap", "b trap"}, true},
		{"rejects alone never hold", []string{"a reject", "b reject", "c reject", "d reject", "e reject", "f reject"}, false},
		{"damaged payloads alone never hold", []string{"a unreadable", "b unreadable", "c unreadable", "d unreadable", "e unreadable"}, false},
		{"being denied holds at once", []string{"a denied"}, true},
		{"a success ends the hold", []string{"a denied", "b ok"}, false},
		{"a long streak on few lanes still holds when others join", []string{
			"a trap", "a trap", "a trap", "a trap", "a trap", "a trap", "a trap", "a trap", "b trap", "c trap"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if h := after(p, c.steps...); h.OnHold != c.want {
				t.Errorf("on hold %v, want %v: %+v", h.OnHold, c.want, h)
			}
		})
	}
}

func TestProbesWaitLongerAndLongerUpToFiveMinutes(t *testing.T) {
	t.Parallel()
	p, lane := inbox.DefaultPolicy(), inbox.LaneID{Key: "a"}
	h := after(p, "a denied")
	at, want := noon, 5*time.Second
	for range 12 {
		if got := h.ProbeAt.Sub(at); got != want {
			t.Fatalf("probe %d waits %s, want %s", h.Probes, got, want)
		}
		at = h.ProbeAt
		h = inbox.Hold(h, 1, lane, inbox.Outcome{Result: inbox.Trap}, p, at)
		want = min(2*want, 5*time.Minute)
	}
}

// Attempts of other lanes are under way when a plugin goes on hold. They fail like the one that tipped it, and say nothing new.
func TestWhatWasUnderWayWhenAHoldBeganIsNotAProbe(t *testing.T) {
	t.Parallel()
	p, lane := inbox.DefaultPolicy(), inbox.LaneID{Key: "b"}
	h := after(p, "a denied")
	for range 8 {
		got := inbox.Hold(h, 2, lane, inbox.Outcome{Result: inbox.Trap}, p, noon.Add(time.Second))
		if got.Probes != 0 || !got.ProbeAt.Equal(h.ProbeAt) || !got.OnHold {
			t.Fatalf("it made %+v of %+v", got, h)
		}
		h = got
	}
	if h := inbox.Hold(h, 2, lane, inbox.Outcome{Result: inbox.OK}, p, noon.Add(time.Second)); h.OnHold {
		t.Errorf("a success did not end the hold: %+v", h)
	}
}

func TestAnInterruptionChangesNothing(t *testing.T) {
	t.Parallel()
	h := after(inbox.DefaultPolicy(), "a trap", "b trap")
	got := inbox.Hold(h, 3, inbox.LaneID{Key: "c"}, inbox.Outcome{Interrupted: true}, inbox.DefaultPolicy(), noon)
	if len(got.Streak) != len(h.Streak) || got.OnHold {
		t.Errorf("changed %+v into %+v", h, got)
	}
}

func TestHoldIsPureAndBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := inbox.Policy{HoldAfter: rapid.IntRange(1, 10).Draw(t, "after"), HoldKeys: rapid.IntRange(1, 5).Draw(t, "keys")}
		var h inbox.Health
		for i := range rapid.IntRange(1, 100).Draw(t, "steps") {
			lane := inbox.LaneID{Key: rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "lane")}
			o := inbox.Outcome{Result: rapid.SampledFrom(inbox.Results()).Draw(t, "result")}
			before := len(h.Streak)
			next := inbox.Hold(h, int64(i), lane, o, p, noon)
			if len(h.Streak) != before {
				t.Fatalf("changed its argument")
			}
			if len(next.Streak) > 4*p.HoldAfter {
				t.Fatalf("a streak of %d is remembered", len(next.Streak))
			}
			if next.OnHold && !h.OnHold && o.Result != inbox.Denied && len(next.Streak) < p.HoldAfter {
				t.Fatalf("held after %d failures", len(next.Streak))
			}
			h = next
		}
	})
}

func TestAFailureBeforeTheFirstEventIsTheReleasesAndHoldsAtOnce(t *testing.T) {
	t.Parallel()
	p := inbox.DefaultPolicy()
	o := inbox.Outcome{Result: inbox.Timeout, AtStart: true}
	h := inbox.Hold(inbox.Health{}, 1, inbox.LaneID{Mode: inbox.Live, Key: "a"}, o, p, noon)
	if d := inbox.Next(inbox.Delivery{Attempt: 1}, o, p, h.OnHold, 0.5, noon); !h.OnHold || d.Counted != 0 || d.Fate != inbox.Again {
		t.Errorf("held %t; %+v", h.OnHold, d)
	}
}

// The reason of a hold is shown everywhere and written to the log, so it has the host's words only.
func TestAHoldSaysWhyInTheHostsWords(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]inbox.Outcome{
		"denied":                           {Result: inbox.Denied, Reason: "Ada"},
		"denied: its result asks for more": {Result: inbox.Denied, Reason: `its result asks for more: "Ada"`, HostWords: len("its result asks for more")},
	} {
		if h := inbox.Hold(inbox.Health{}, 1, inbox.LaneID{Key: "a"}, o, inbox.DefaultPolicy(), noon); !h.OnHold || h.Reason != want {
			t.Errorf("%+v, want %q", h, want)
		}
	}
}
