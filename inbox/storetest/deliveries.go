package storetest

import (
	"slices"
	"testing"

	"inbox/inbox"
)

// A list of deliveries by outcome contains exactly the deliveries whose traces have the outcome.
func deliveriesAreListedByTheOutcomesInTheirTraces(t *testing.T, open Open) {
	ctx := t.Context()
	w := NewWorld(t, open(t, Options{}))
	for i := range 40 {
		w.Arrive(i % 6)
	}
	w.Run(0, inbox.Done, false)
	w.Run(0, inbox.Again, false)
	w.Run(1, inbox.Again, false)
	w.Run(1, inbox.Dead, true)
	w.Run(2, inbox.Dead, false)
	w.Run(2, inbox.Done, false)
	w.Run(3, inbox.Dead, true)
	w.Resolve(w.Events[3], 0, inbox.Discarded)
	w.Run(4, inbox.Dead, true)
	w.Resolve(w.Events[4], 0, inbox.Retried)
	want := byOutcome(t, w)
	for _, outcome := range inbox.Outcomes() {
		for _, newest := range []bool{false, true} {
			var got []int64
			f := inbox.DeliveryFilter{Filter: inbox.Filter{Plugin: "p", Newest: newest}, Outcomes: []string{outcome}}
			err := w.s.EachDelivery(ctx, f, func(d *inbox.DeliveryStatus) error {
				got = append(got, d.Event.Seq)
				return nil
			})
			if newest {
				slices.Reverse(got)
			}
			if err != nil || !slices.Equal(got, want[outcome]) {
				t.Errorf("%s: %v, want %v, %v", outcome, got, want[outcome], err)
			}
		}
	}
	for _, outcome := range []string{"retry", "waiting", "pending", "dead", "discarded", "ok", "reject"} {
		if len(want[outcome]) == 0 {
			t.Errorf("no delivery is %s", outcome)
		}
	}
}

func deliveriesAreLimitedAndAnUnknownOutcomeIsInvalid(t *testing.T, open Open) {
	ctx := t.Context()
	w := NewWorld(t, open(t, Options{}))
	for i := range 8 {
		w.Arrive(i % 2)
	}
	n := 0
	err := w.s.EachDelivery(ctx, inbox.DeliveryFilter{Filter: inbox.Filter{Limit: 3}, Outcomes: []string{"pending", "waiting"}}, func(*inbox.DeliveryStatus) error { n++; return nil })
	if err != nil || n != 3 {
		t.Errorf("%d of 3, %v", n, err)
	}
	for _, bad := range [][]string{nil, {"bad"}, {"ok", "retrying"}} {
		err := w.s.EachDelivery(ctx, inbox.DeliveryFilter{Outcomes: bad}, func(*inbox.DeliveryStatus) error { return nil })
		if inbox.KindOf(err) != inbox.Invalid {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// byOutcome returns the seqs of the events by the outcomes in their traces.
func byOutcome(t *testing.T, w *World) map[string][]int64 {
	t.Helper()
	want := map[string][]int64{}
	for _, d := range w.Events {
		tr, err := w.s.Trace(t.Context(), d.Seq)
		if err != nil {
			t.Fatal(err)
		}
		got := tr.Deliveries[0]
		state := map[inbox.DeliveryState]string{
			inbox.StateRetrying: "retry", inbox.StateWaiting: "waiting", inbox.StatePending: "pending", inbox.StateDead: "dead", inbox.StateDropped: "discarded",
		}[got.State]
		outcomes := []string{state}
		if n := len(got.Attempts); n > 0 && got.Attempts[n-1].Result != inbox.Retry {
			outcomes = append(outcomes, string(got.Attempts[n-1].Result))
		}
		for _, outcome := range outcomes {
			want[outcome] = append(want[outcome], d.Seq)
		}
	}
	return want
}
