package inbox_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"inbox/inbox"
)

func anEvent(t *rapid.T, name string) *inbox.Event {
	e := &inbox.Event{
		Seq:  rapid.Int64Range(1, 50).Draw(t, name+".seq"),
		Mode: rapid.SampledFrom([]inbox.Mode{inbox.Live, inbox.Test}).Draw(t, name+".mode"),
	}
	e.View.Key = rapid.SampledFrom([]string{"qoreid/address/1", "qoreid/address/2", "other/workflow/1"}).Draw(t, name+".key")
	e.View.CustomerReference = rapid.SampledFrom([]string{"", "ref-1", "qoreid/address/1"}).Draw(t, name+".reference")
	return e
}

func aKeying(t *rapid.T) inbox.LaneRule {
	return inbox.LaneRule{
		Order: rapid.SampledFrom([]inbox.Order{inbox.ByKey, inbox.Global, inbox.Unsorted}).Draw(t, "order"),
		By:    rapid.SampledFrom([]inbox.KeyBy{inbox.KeyByKey, inbox.KeyByReference, "/data/user", "/a b"}).Draw(t, "by"),
	}
}

// TestLanesKeepTheirLaws draws pairs of events and what lanes are made by.
func TestLanesKeepTheirLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		k, a, b := aKeying(t), anEvent(t, "a"), anEvent(t, "b")
		value := rapid.SampledFrom([]string{"", "42", "qoreid/address/1"}).Draw(t, "value")
		at := func(string) (string, bool) { return value, value != "" }
		la, lb := k.Lane(a, at), k.Lane(b, at)
		if la != inbox.ParseLaneRule(k.String()).Lane(a, at) {
			t.Fatalf("%+v makes another lane than after it was stored as %q", k, k)
		}
		if a.Mode != b.Mode && la == lb {
			t.Fatalf("live and test meet in %+v", la)
		}
		switch {
		case a.Mode != b.Mode:
		case k.Order == inbox.Global && la != lb:
			t.Fatalf("one lane for all, yet %+v and %+v", la, lb)
		case k.Order == inbox.Unsorted && (la == lb) != (a.Seq == b.Seq):
			t.Fatalf("seqs %d and %d without order: %+v and %+v", a.Seq, b.Seq, la, lb)
		case k.Order == inbox.ByKey && k.By == inbox.KeyByKey && (la == lb) != (a.View.Key == b.View.Key):
			t.Fatalf("keys %s and %s: %+v and %+v", a.View.Key, b.View.Key, la, lb)
		}
		if k.Order == inbox.ByKey && la.Key != a.View.Key && la.ByKey() {
			t.Fatalf("a lane that is not of a key could be taken for one: %+v", la)
		}
	})
}

func TestOfAnErrorTheOperationTheCauseAndTheNearestHintAreSaid(t *testing.T) {
	t.Parallel()
	cause := inbox.Errorf(inbox.Unavailable, "flush", "no space left").WithHint("free some space")
	for _, c := range []struct {
		err        error
		says, hint string
	}{
		{&inbox.Error{Kind: inbox.Internal, Op: "settle"}, "settle", ""},
		{inbox.Errorf(inbox.Invalid, "", "no %s", "key"), "no key", ""},
		{inbox.Errorf(inbox.Invalid, "open store x", "no key"), "open store x: no key", ""},
		{inbox.Errorf(inbox.Internal, "settle", "%w", cause), "settle: flush: no space left", "free some space"},
		{inbox.Errorf(inbox.Internal, "settle", "%w", cause).WithHint("look at the log"), "settle: flush: no space left", "look at the log"},
		{errors.New("plain"), "plain", ""},
	} {
		if c.err.Error() != c.says || inbox.HintOf(c.err) != c.hint {
			t.Errorf("%q with hint %q, want %q and %q", c.err, inbox.HintOf(c.err), c.says, c.hint)
		}
	}
}

func TestOnlyLiveAndTestAreModes(t *testing.T) {
	t.Parallel()
	for mode, want := range map[inbox.Mode]bool{"live": true, "test": true, "": false, "LIVE": false, "prod": false} {
		if mode.Valid() != want {
			t.Errorf("%q is valid: %v", mode, mode.Valid())
		}
	}
}

func TestABrokenChainStaysBroken(t *testing.T) {
	t.Parallel()
	var c inbox.Chain
	if c.Broken() {
		t.Error("a new chain is broken")
	}
	c.Break()
	c.Break()
	if !c.Broken() {
		t.Error("a chain that was broken is whole")
	}
}

func TestAManifestIsCompletedWithoutTouchingWhatItSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := inbox.Manifest{Concurrency: rapid.IntRange(0, 8).Draw(t, "concurrency"), Reuse: rapid.IntRange(0, 3).Draw(t, "reuse")}
		m.Policy.MaxAttempts = rapid.IntRange(0, 3).Draw(t, "attempts")
		m.Limits.Memory = rapid.Int64Range(0, 2).Draw(t, "memory")
		full := m.WithDefaults(4)
		for _, x := range []struct{ said, got, fallback int64 }{
			{int64(m.Concurrency), int64(full.Concurrency), 4}, {int64(m.Reuse), int64(full.Reuse), 1},
			{int64(m.Policy.MaxAttempts), int64(full.Policy.MaxAttempts), int64(inbox.DefaultPolicy().MaxAttempts)},
			{m.Limits.Memory, full.Limits.Memory, inbox.DefaultLimits().Memory},
		} {
			if want := map[bool]int64{true: x.fallback, false: x.said}[x.said == 0]; x.got != want {
				t.Fatalf("%+v became %+v", m, full)
			}
		}
		if again := full.WithDefaults(9); again.Concurrency != full.Concurrency || again.Limits != full.Limits || again.Policy != full.Policy {
			t.Fatalf("completing twice changes %+v to %+v", full, again)
		}
		if full.NeedsBody() {
			t.Fatalf("%+v looks into no body", full)
		}
	})
	for name, m := range map[string]inbox.Manifest{
		"a condition": {Where: []inbox.Condition{{Pointer: "/a"}}}, "a pointer for its lanes": {KeyBy: "/data/user", Order: inbox.ByKey},
	} {
		if !m.NeedsBody() {
			t.Errorf("%s needs the body", name)
		}
	}
}
