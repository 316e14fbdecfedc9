package inboxtest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/store"
)

// Dead registers a plugin, and stores n events about n verifications that are all dead in it. If parks is set, each parks its
// lane.
func Dead(t testing.TB, s *store.Store, plugin string, n int, parks bool) {
	t.Helper()
	ctx := context.Background()
	if err := s.Register(ctx, plugin, inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	next := make(chan int)
	var wg sync.WaitGroup
	for range 512 { // enough for full batches
		wg.Go(func() {
			for i := range next {
				if _, err := s.Accept(ctx, Arrival(Body(i, 0))); err != nil {
					t.Errorf("accept: %v", err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	events, err := s.EventsAfter(ctx, 0, n)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var errs error
	for i := range events {
		wg.Add(1)
		st := died(plugin, &events[i], parks)
		st.Term = s.Term()
		err := s.Settle(ctx, st, func(err error) {
			mu.Lock()
			errs = errors.Join(errs, err)
			mu.Unlock()
			wg.Done()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if errs != nil {
		t.Fatal(errs)
	}
}

// died returns the settlement of an event whose first attempt was rejected.
func died(plugin string, e *inbox.Event, parks bool) *inbox.Settlement {
	id, now := inbox.LaneID{Mode: e.Mode, Key: e.View.Key}, time.Now()
	st := &inbox.Settlement{
		Plugin: plugin, Position: inbox.PositionChange{Cursor: e.Seq}, Release: inbox.ReleaseChange{LaneRule: inbox.LaneRule{Order: inbox.ByKey, By: inbox.KeyByKey}.String()},
		Attempt: &inbox.Attempt{
			Plugin: plugin, Seq: e.Seq, Number: 1, Result: inbox.Reject, Fate: inbox.Dead, Counted: true, StartedAt: now, Duration: time.Millisecond,
		},
		Dead: &inbox.DeadLetter{Plugin: plugin, Seq: e.Seq, Attempt: 1, Lane: id, Parks: parks, Result: inbox.Reject, DiedAt: now},
	}
	if parks {
		st.Lane.Put = &inbox.Lane{ID: id, Next: e.Seq, State: inbox.LaneParked, Attempt: 1, Counted: 1, Since: now}
	}
	return st
}
