package store_test

import (
	"slices"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

func TestCountsOfRefusedRequestsAreSummedSurviveARestartAndExpire(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(time.Hour).Add(30 * time.Minute)
	o := store.Options{Dir: inboxtest.Dir(t), Create: true, Now: func() time.Time { return now }}
	s, err := store.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	count := func(why string, lost bool, n int64, at time.Time) {
		t.Helper()
		must(t, "count", s.CountRefusals(ctx, []inbox.Refusal{{Source: "q", Why: why, Lost: lost, Hour: at.Truncate(time.Hour), Count: n, LastAt: at}}))
	}
	count("mismatch", false, 3, now)
	count("mismatch", true, 4, now)
	count("mismatch", true, 5, now.Add(-time.Minute))
	count("too_large", true, 6, now.Add(-2*time.Hour))
	count("slow", false, 7, now.Add(-25*time.Hour))
	must(t, "close", s.Close())
	if s, err = store.Open(ctx, o); err != nil {
		t.Fatal(err)
	}
	defer func() { must(t, "close", s.Close()) }()
	want := func(since time.Time, want ...inbox.Refusal) {
		t.Helper()
		got, err := s.Refusals(ctx, since)
		if err != nil || !slices.EqualFunc(got, want, func(a, b inbox.Refusal) bool {
			return a.Source == "q" && a.Why == b.Why && a.Lost == b.Lost && a.Count == b.Count && a.LastAt.Equal(b.LastAt)
		}) {
			t.Errorf("counted %+v, %v", got, err)
		}
	}
	few := []inbox.Refusal{{Why: "mismatch", Count: 3, LastAt: now}, {Why: "mismatch", Lost: true, Count: 9, LastAt: now}}
	large := inbox.Refusal{Why: "too_large", Lost: true, Count: 6, LastAt: now.Add(-2 * time.Hour)}
	want(now, few...)
	want(now.Add(-24*time.Hour), append(few, large)...)
	now = now.Add(47 * time.Hour)
	count("slow", false, 1, now)
	want(time.Time{}, append(few, inbox.Refusal{Why: "slow", Count: 1, LastAt: now})...)
	inboxtest.Check(t, s)
}
