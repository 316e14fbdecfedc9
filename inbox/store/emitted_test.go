package store_test

import (
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
	"inbox/inbox/storetest"
)

func TestARemovedPluginLeavesItsEventsAndMayEmitThemAgainWhenItReturns(t *testing.T) {
	t.Parallel()
	s := ready(t, 2)
	emission := inbox.Emission{Event: "customer.passed", Body: []byte("1")}
	for seq := int64(1); seq <= 2; seq++ { // the removal deletes attempts up to the cursor first, then the rest
		st := storetest.Emitting(seq, emission)
		st.Position.Cursor = 1
		mustSettle(t, s, st)
	}
	was := traceOf(t, s, 1).Deliveries[0].Emitted[0].Event
	if _, err := s.RemovePlugin(ctx, operator, "p"); err != nil {
		t.Fatal(err)
	}
	inboxtest.Check(t, s)
	if c := traceOf(t, s, 3).Cause; c == nil || c.Plugin != "p" || c.Seq != 1 || c.Depth != 1 {
		t.Errorf("the cause of an event of a removed plugin is %+v", c)
	}
	if err := s.Register(ctx, "p", inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	mustSettle(t, s, storetest.Emitting(1, emission))
	again := traceOf(t, s, 1).Deliveries[0].Emitted
	if len(again) != 1 || again[0].Event.Seq != 5 || again[0].Event.ID[len("evt_00000000"):] == was.ID[len("evt_00000000"):] {
		t.Errorf("the plugin that returned emitted %+v, the removed one %+v", again, was)
	}
}

func TestAnEmissionHasTheSameIDAfterARestore(t *testing.T) {
	t.Parallel()
	dir := inboxtest.Dir(t)
	s, done := serve(t, store.Options{Dir: dir})
	storetest.Ready(t, s, 1)
	done()
	backup := store.CopyClosed(t, dir)
	var ids []string
	for _, dir := range []string{dir, backup} {
		s, done := serve(t, store.Options{Dir: dir})
		mustSettle(t, s, storetest.Emitting(1, inbox.Emission{Event: "a.b", Body: []byte("1")}))
		ids = append(ids, traceOf(t, s, 2).Event.ID)
		done()
	}
	if ids[0] != ids[1] {
		t.Errorf("the event has the ids %v", ids)
	}
}

// traceOf returns the trace of an event.
func traceOf(t *testing.T, s *store.Store, seq int64) *inbox.EventTrace {
	t.Helper()
	tr, err := s.Trace(ctx, seq)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}
