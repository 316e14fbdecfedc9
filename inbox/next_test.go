package inbox_test

import (
	"cmp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"inbox/inbox"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestNextDecidesWhatBecomesOfADelivery(t *testing.T) {
	t.Parallel()
	park := inbox.Policy{MaxAttempts: 3, Base: time.Second, Max: time.Minute, OnFailure: inbox.Park}
	slow := inbox.Policy{MaxAttempts: 3, Base: time.Hour, Max: 2 * time.Hour, OnFailure: inbox.Park}
	with := func(f inbox.OnFailure) inbox.Policy { p := park; p.OnFailure = f; return p }
	again := func(tries int, wait time.Duration) inbox.Decision {
		return inbox.Decision{Fate: inbox.Again, Counted: tries, DueAt: noon.Add(wait)}
	}
	dead := func(tries int, parks bool) inbox.Decision {
		return inbox.Decision{Fate: inbox.Dead, Counted: tries, Parks: parks}
	}
	for _, c := range []struct {
		name    string
		tries   int
		attempt int // tries + 1 when it is zero
		run     int64
		out     inbox.Outcome
		policy  inbox.Policy
		held    bool
		roll    float64
		want    inbox.Decision
	}{
		{name: "ok is done", out: inbox.Outcome{Result: inbox.OK}, policy: park, want: inbox.Decision{Fate: inbox.Done}},
		{name: "skip is done", out: inbox.Outcome{Result: inbox.Skip}, policy: park, want: inbox.Decision{Fate: inbox.Done}},
		{name: "ok is done even after every try was used up", tries: 9, out: inbox.Outcome{Result: inbox.OK}, policy: park, want: inbox.Decision{Fate: inbox.Done}},
		{name: "a first trap is tried again within the base", out: inbox.Outcome{Result: inbox.Trap}, policy: park, roll: 0.5, want: again(1, time.Second/2)},
		{name: "a second waits up to twice the base", tries: 1, out: inbox.Outcome{Result: inbox.Exit}, policy: park, roll: 0.5, want: again(2, time.Second)},
		{name: "a roll of zero still waits a hundredth", out: inbox.Outcome{Result: inbox.Retry}, policy: slow, want: again(1, 36*time.Second)},
		{name: "a roll of zero still waits the shortest wait", out: inbox.Outcome{Result: inbox.Retry}, policy: park, want: again(1, 100*time.Millisecond)},
		{name: "retry_after is honoured", out: inbox.Outcome{Result: inbox.Retry, RetryAfter: 7 * time.Second}, policy: park, want: again(1, 7*time.Second)},
		{name: "retry_after is bounded by the maximum", out: inbox.Outcome{Result: inbox.Retry, RetryAfter: time.Hour}, policy: park, want: again(1, time.Minute)},
		{name: "retry_after is a second at least", out: inbox.Outcome{Result: inbox.Retry, RetryAfter: 1}, policy: park, want: again(1, time.Second)},
		{name: "the shortest wait grows with the attempts", tries: 999, out: inbox.Outcome{Result: inbox.Retry, RetryAfter: 1}, policy: with(inbox.Block), want: again(1000, 100*time.Second)},
		{name: "and grows no more than to five minutes", tries: 99_999, out: inbox.Outcome{Result: inbox.Trap}, policy: with(inbox.Block), want: again(100_000, 5*time.Minute)},
		{name: "attempts on hold that are not counted lengthen it too", tries: 0, attempt: 200, out: inbox.Outcome{Result: inbox.Trap}, policy: park, held: true, want: again(0, 20*time.Second)},
		{name: "the last try parks the lane", tries: 2, out: inbox.Outcome{Result: inbox.Timeout}, policy: park, want: dead(3, true)},
		{name: "the last try does not park when the plugin continues", tries: 2, out: inbox.Outcome{Result: inbox.Timeout}, policy: with(inbox.Continue), want: dead(3, false)},
		{name: "block never dies", tries: 50, out: inbox.Outcome{Result: inbox.Timeout}, policy: with(inbox.Block), roll: 1, want: again(51, time.Minute)},
		{name: "reject is dead at once", out: inbox.Outcome{Result: inbox.Reject}, policy: park, want: dead(1, true)},
		{name: "reject parks under block", out: inbox.Outcome{Result: inbox.Reject}, policy: with(inbox.Block), want: dead(1, true)},
		{name: "a damaged payload is dead at once", out: inbox.Outcome{Result: inbox.Unreadable}, policy: park, want: dead(1, true)},
		{name: "an attempt on hold is not counted", tries: 2, out: inbox.Outcome{Result: inbox.Trap}, policy: park, held: true, roll: 1, want: again(2, 2*time.Second)},
		{name: "a replay's retry counts", run: 4, out: inbox.Outcome{Result: inbox.Trap}, policy: park, roll: 1, want: again(1, time.Second)},
		{name: "a replay dies without parking", run: 4, tries: 2, out: inbox.Outcome{Result: inbox.Trap}, policy: park, want: dead(3, false)},
		{name: "a replay dies even under block", run: 4, tries: 2, out: inbox.Outcome{Result: inbox.Trap}, policy: with(inbox.Block), want: dead(3, false)},
		{name: "a rejected replay does not park", run: 4, out: inbox.Outcome{Result: inbox.Reject}, policy: park, want: dead(1, false)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := inbox.Delivery{Seq: 1, Run: c.run, Attempt: cmp.Or(c.attempt, c.tries+1), Counted: c.tries}
			if got := inbox.Next(d, c.out, c.policy, c.held, c.roll, noon); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// lawsOfNext are what holds for every delivery, outcome and policy.
func lawsOfNext(t interface{ Fatalf(string, ...any) }, d inbox.Delivery, o inbox.Outcome, p inbox.Policy, held bool, roll float64) {
	got := inbox.Next(d, o, p, held, roll, noon)
	settled := o.Result == inbox.OK || o.Result == inbox.Skip
	if settled != (got.Fate == inbox.Done) {
		t.Fatalf("%s became %s: only ok and skip are done", o.Result, got.Fate)
	}
	if got.Parks && (got.Fate != inbox.Dead || d.Run != 0 || p.OnFailure == inbox.Continue) {
		t.Fatalf("parks: %+v of run %d under %s", got, d.Run, p.OnFailure)
	}
	if got.Fate == inbox.Again {
		least := inbox.MinWait(d.Attempt)
		if o.RetryAfter > 0 {
			least = max(least, min(inbox.MinRetryAfter, p.Max))
		}
		if wait := got.DueAt.Sub(noon); wait < least || wait > max(p.Max, least) {
			t.Fatalf("waits %s, outside [%s, %s]", wait, least, p.Max)
		}
		if p.OnFailure != inbox.Block && d.Run == 0 && !held && got.Counted >= p.MaxAttempts {
			t.Fatalf("goes on after %d of %d tries", got.Counted, p.MaxAttempts)
		}
	}
	if got.Fate != inbox.Done && got.Counted != d.Counted && got.Counted != d.Counted+1 {
		t.Fatalf("tries went from %d to %d", d.Counted, got.Counted)
	}
	if held && got.Fate == inbox.Again && got.Counted != d.Counted {
		t.Fatalf("counted %d tries on hold", got.Counted-d.Counted)
	}
}

func TestNextKeepsItsLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base := time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "base"))
		p := inbox.Policy{
			MaxAttempts: rapid.IntRange(1, 40).Draw(t, "max_attempts"), Base: base,
			Max:       base + time.Duration(rapid.Int64Range(100, int64(48*time.Hour)).Draw(t, "more")),
			OnFailure: rapid.SampledFrom([]inbox.OnFailure{inbox.Park, inbox.Continue, inbox.Block}).Draw(t, "on_failure"),
		}
		if p.Base < 100 {
			p.Base = 100
		}
		tries := rapid.IntRange(0, 60).Draw(t, "tries")
		d := inbox.Delivery{Run: rapid.Int64Range(0, 3).Draw(t, "run"), Counted: tries, Attempt: tries + rapid.IntRange(1, 1<<40).Draw(t, "uncounted")}
		o := inbox.Outcome{
			Result:     rapid.SampledFrom(inbox.Results()).Draw(t, "result"),
			RetryAfter: time.Duration(rapid.Int64Range(0, int64(100*time.Hour)).Draw(t, "retry_after")),
		}
		lawsOfNext(t, d, o, p, rapid.Bool().Draw(t, "held"), rapid.Float64Range(0, 0.9999).Draw(t, "roll"))
	})
}

// Whatever a plugin and its manifest ask for, what one run can make of the disk is bounded: with 64 KiB of log for each attempt
// that is kept and a row for each that is made.
func TestARunThatIsRetriedForEverMakesFewAttempts(t *testing.T) {
	t.Parallel()
	p := inbox.Policy{MaxAttempts: 1, Base: 100 * time.Millisecond, Max: 100 * time.Millisecond, OnFailure: inbox.Block}
	now, made := noon, []int{0, 0}
	for n := 1; now.Before(noon.Add(48 * time.Hour)); n++ {
		d := inbox.Next(inbox.Delivery{Seq: 1, Attempt: n, Counted: n - 1}, inbox.Outcome{Result: inbox.Retry, RetryAfter: 1}, p, false, 0, now)
		if d.Fate != inbox.Again {
			t.Fatalf("%+v", d)
		}
		made[min(int(now.Sub(noon)/(24*time.Hour)), 1)]++
		now = d.DueAt
	}
	if made[0] > 1500 || made[1] > 600 {
		t.Errorf("%d attempts on the first day, %d on the second", made[0], made[1])
	}
}

func FuzzNext(f *testing.F) {
	f.Add(uint8(4), uint8(0), uint8(3), int64(0), uint8(2), false, uint16(7))
	f.Fuzz(func(t *testing.T, result, onFailure, most uint8, run int64, tries uint8, held bool, roll uint16) {
		p := inbox.DefaultPolicy()
		p.MaxAttempts = int(most) + 1
		p.OnFailure = []inbox.OnFailure{inbox.Park, inbox.Continue, inbox.Block}[onFailure%3]
		results := inbox.Results()
		o := inbox.Outcome{Result: results[int(result)%len(results)]}
		lawsOfNext(t, inbox.Delivery{Run: max(run, 0), Counted: int(tries)}, o, p, held, float64(roll)/65536)
	})
}

func TestTheDefaultPolicyRetriesForAboutADay(t *testing.T) {
	t.Parallel()
	p := inbox.DefaultPolicy()
	var most time.Duration
	for n := 1; n < p.MaxAttempts; n++ {
		most += p.Bound(n)
	}
	if mean := most / 2; mean < 12*time.Hour || mean > 30*time.Hour {
		t.Errorf("the mean of all waits is %s", mean)
	}
}

// A wait that outlasts a short policy is not cut off when the program starts again.
func TestAStoredWaitIsNotCutBelowTheShortestWait(t *testing.T) {
	t.Parallel()
	p := inbox.Policy{Base: time.Second, Max: time.Second}
	for attempts, want := range map[int]time.Duration{1: time.Second, 10: time.Second, 20: 2 * time.Second, 1000: 100 * time.Second} {
		if got := p.Due(noon.Add(time.Hour), noon, attempts); !got.Equal(noon.Add(want)) {
			t.Errorf("after %d attempts: due at %s, want %s", attempts, got, want)
		}
	}
}

func TestAClockSetBackDoesNotStretchAWait(t *testing.T) {
	t.Parallel()
	p := inbox.DefaultPolicy()
	if got := p.Due(noon.Add(100*24*time.Hour), noon, 3); !got.Equal(noon.Add(p.Max)) {
		t.Errorf("due at %s", got)
	}
	if got := p.Due(noon.Add(time.Minute), noon, 3); !got.Equal(noon.Add(time.Minute)) {
		t.Errorf("due at %s", got)
	}
}

// What was stored has no monotonic reading, and would be compared by the wall clock whenever that is set.
func TestAWaitThatWasStoredGoesByTheMonotonicClockOnceItIsRead(t *testing.T) {
	t.Parallel()
	now := time.Now()
	stored := now.Add(time.Minute).Round(0)
	h := inbox.Health{OnHold: true, ProbeAt: stored, Probes: 6}
	for name, due := range map[string]time.Time{"a retry": inbox.DefaultPolicy().Due(stored, now, 3), "a probe": h.Due(now)} {
		if !due.Equal(stored) || !strings.Contains(due.String(), " m=") {
			t.Errorf("%s that is due at %s is due at %s", name, stored, due)
		}
	}
}
