package storetest

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
)

func anAttemptWithExtremeValuesIsRecorded(t *testing.T, open Open) {
	ctx := t.Context()
	for name, spoil := range map[string]func(a *inbox.Attempt){
		"a clock that stepped back":   func(a *inbox.Attempt) { a.Duration = math.MinInt64 },
		"the longest duration":        func(a *inbox.Attempt) { a.Duration = math.MaxInt64 },
		"fuel that overflowed":        func(a *inbox.Attempt) { a.Fuel = math.MinInt64 },
		"the most fuel":               func(a *inbox.Attempt) { a.Fuel = math.MaxInt64 },
		"the earliest start":          func(a *inbox.Attempt) { a.StartedAt = time.Unix(math.MinInt64, 0) },
		"the latest start":            func(a *inbox.Attempt) { a.StartedAt = time.Unix(math.MaxInt64, 0) },
		"no result":                   func(a *inbox.Attempt) { a.Result = "" },
		"a result of a later version": func(a *inbox.Attempt) { a.Result = "quota" },
		"a very long reason":          func(a *inbox.Attempt) { a.Reason = strings.Repeat("\x00\xff", 1<<20) },
		"a very long log":             func(a *inbox.Attempt) { a.Log = bytes.Repeat([]byte{0, 255}, 10<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := ready(t, open, 1)
			a := Attempt(1, 1, inbox.Trap, inbox.Dead)
			spoil(a)
			mustSettle(t, s, &inbox.Settlement{
				Attempt: a, Lane: inbox.LaneChange{Put: &inbox.Lane{ID: OneLane(), Next: 1, State: inbox.LaneParked, Attempt: 1, Counted: 1, Since: At(1)}},
				Dead: &inbox.DeadLetter{Plugin: "p", Seq: 1, Attempt: 1, Lane: OneLane(), Parks: true, Result: a.Result, DiedAt: At(2)},
			})
			tr, err := s.Trace(ctx, 1)
			if err != nil || len(tr.Deliveries[0].Attempts) != 1 {
				t.Fatalf("%+v, %v", tr, err)
			}
			got := tr.Deliveries[0].Attempts[0]
			if got.Duration < 0 || got.Fuel < 0 || got.Result == "" || len(got.Log) > 16<<20 || (len(a.Log) > len(got.Log)) != got.LogCut {
				t.Errorf("%s, fuel %d, %q, %d bytes of log, cut %v", got.Duration, got.Fuel, got.Result, len(got.Log), got.LogCut)
			}
		})
	}
}
