package store_test

import (
	"slices"
	"testing"

	"inbox/inbox"
	"inbox/inbox/store"
)

// The list of deliveries by outcome holds exactly those of which the trace of their event says so.
func TestDeliveriesAreListedByWhatTheirTraceSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, store.Options{})
	for i := range 40 {
		w.arrive(i % 6)
	}
	w.run(0, inbox.Done, false)
	w.run(0, inbox.Again, false)
	w.run(1, inbox.Again, false)
	w.run(1, inbox.Dead, true)
	w.run(2, inbox.Dead, false)
	w.run(2, inbox.Done, false)
	w.run(3, inbox.Dead, true)
	w.resolve(w.events[3], 0, inbox.Discarded)
	w.run(4, inbox.Dead, true)
	w.resolve(w.events[4], 0, inbox.Retried)
	want := map[string][]int64{}
	for _, d := range w.events {
		tr, err := w.s.Trace(ctx, d.seq)
		if err != nil {
			t.Fatal(err)
		}
		one := tr.Deliveries[0]
		state := map[inbox.DeliveryState]string{
			inbox.StateRetrying: "retry", inbox.StateWaiting: "waiting", inbox.StatePending: "pending", inbox.StateDead: "dead", inbox.StateDropped: "discarded",
		}[one.State]
		words := []string{state}
		if n := len(one.Attempts); n > 0 && one.Attempts[n-1].Result != inbox.Retry {
			words = append(words, string(one.Attempts[n-1].Result))
		}
		for _, word := range words {
			want[word] = append(want[word], d.seq)
		}
	}
	for _, word := range inbox.Outcomes() {
		for _, newest := range []bool{false, true} {
			var got []int64
			f := inbox.DeliveryFilter{Filter: inbox.Filter{Plugin: "p", Newest: newest}, Outcomes: []string{word}}
			err := w.s.EachDelivery(ctx, f, func(d *inbox.DeliveryStatus) error {
				got = append(got, d.Event.Seq)
				return nil
			})
			if newest {
				slices.Reverse(got)
			}
			if err != nil || !slices.Equal(got, want[word]) {
				t.Errorf("%s: %v, want %v, %v", word, got, want[word], err)
			}
		}
	}
	for _, word := range []string{"retry", "waiting", "pending", "dead", "discarded", "ok", "reject"} {
		if len(want[word]) == 0 {
			t.Errorf("nothing is %s", word)
		}
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
