package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
	"inbox/inbox/storetest"
)

// keep commits a first attempt of an event with a change of state.
func keep(t *testing.T, s *store.Store, lane inbox.LaneID, seq int64, version int, document string) {
	t.Helper()
	change := &inbox.StateChange{State: inbox.State{Document: []byte(document), Version: version}}
	mustSettle(t, s, &inbox.Settlement{Attempt: storetest.Attempt(seq, 1, inbox.OK, inbox.Done), Effects: &inbox.Effects{Lane: lane, State: change}})
}

func TestTheStateOfARemovedPluginIsGone(t *testing.T) {
	t.Parallel()
	s := ready(t, 1)
	keep(t, s, storetest.OneLane(), 1, 7, `{}`)
	if _, err := s.RemovePlugin(ctx, operator, "p"); err != nil {
		t.Fatal(err)
	}
	if err := s.Register(ctx, "p", inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	if e, err := s.StateAt(ctx, inbox.StateID{Plugin: "p", Lane: storetest.OneLane()}, inbox.StateMoment{}); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("its document: %+v, %v", e, err)
	}
	if r, err := s.Record(ctx, "p"); err != nil || r.StateVersion != 0 {
		t.Errorf("its record: %+v, %v", r, err)
	}
}

func TestAListOfStateOverSeveralChunksHasEveryDocumentOnce(t *testing.T) {
	t.Parallel()
	const n = 1200 // three chunks
	s := inboxtest.Store(t, store.Options{Relaxed: true})
	storetest.Ready(t, s, n)
	var want, got []string
	for seq := int64(1); seq <= n; seq++ {
		lane := inbox.LaneID{Mode: inbox.Live, Key: fmt.Sprintf("key/%d", seq)}
		want = append(want, lane.Key)
		keep(t, s, lane, seq, 0, `1`)
	}
	slices.Sort(want)
	err := s.EachState(ctx, inbox.StateFilter{Plugin: "p", Prefix: "key/"}, func(e *inbox.StateEntry) error {
		got = append(got, e.Lane.Key)
		return nil
	})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%d documents, want %d, %v", len(got), len(want), err)
	}
}

func TestATimelineTakesAsManyQueriesForManyEventsAsForOne(t *testing.T) {
	t.Parallel()
	reads := map[int]int{}
	for _, n := range []int{1, 100} {
		s := ready(t, n)
		for seq := range int64(n) {
			keep(t, s, storetest.OneLane(), seq+1, 0, `1`)
		}
		r := store.Record(t, s)
		before := r.Reads()
		list, err := s.EntityTrace(ctx, inbox.Live, storetest.OneLane().Key)
		if err != nil || len(list) != n || len(list[n-1].Deliveries[0].Changes) != 1 || len(list[n-1].Deliveries[0].Attempts) != 1 {
			t.Fatalf("%d events: %d traces, %v", n, len(list), err)
		}
		reads[n] = r.Reads() - before
	}
	if reads[1] == 0 || reads[100] != reads[1] {
		t.Errorf("queries by events: %v", reads)
	}
}

func TestADamagedStateDocumentIsReported(t *testing.T) {
	t.Parallel()
	dir := inboxtest.Dir(t)
	s, done := serve(t, store.Options{Dir: dir})
	storetest.Ready(t, s, 1)
	keep(t, s, storetest.OneLane(), 1, 0, `{"n":1}`)
	done()
	store.Exec(t, dir, `UPDATE contents SET bytes = CAST('{"n":2}' AS BLOB) WHERE kind = 5`)
	s, err := store.Open(ctx, store.Options{Dir: dir, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	id := inbox.StateID{Plugin: "p", Lane: storetest.OneLane()}
	if _, err := s.StateAt(ctx, id, inbox.StateMoment{}); !errors.Is(err, inbox.ErrDamaged) {
		t.Errorf("the document: %v", err)
	}
	read := func(documents bool) error {
		return s.EachStateChange(ctx, id, inbox.StateHistory{Documents: documents}, func(*inbox.StateEntry) error { return nil })
	}
	if err := read(true); !errors.Is(err, inbox.ErrDamaged) {
		t.Errorf("the history with documents: %v", err)
	}
	if err := read(false); err != nil {
		t.Errorf("the history without documents: %v", err)
	}
	_, err = s.State(ctx, "p", storetest.OneLane()) // as an attempt reads it
	if want := "`inbox state reset p " + storetest.OneLane().Key + " --mode live` deletes the document"; !errors.Is(err, inbox.ErrDamaged) || !strings.Contains(err.Error(), want) {
		t.Errorf("an attempt's read: %v, want %s", err, want)
	}
	if err := s.ResetState(ctx, operator, id); err != nil {
		t.Fatal(err)
	}
	if doc, err := s.State(ctx, "p", storetest.OneLane()); err != nil || doc.Document != nil {
		t.Errorf("after the reset: %s %v", doc.Document, err)
	}
	if e, err := s.StateAt(ctx, id, inbox.StateMoment{}); err != nil || !e.Deleted || e.Change != 2 {
		t.Errorf("the change of the reset: %+v %v", e, err)
	}
}
