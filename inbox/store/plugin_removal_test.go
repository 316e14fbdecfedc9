package store_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
	"inbox/inbox/storetest"
)

// full returns a store in which the plugin p has rows in every table that refers to plugins.
func full(t *testing.T) *store.Store {
	t.Helper()
	s := inboxtest.Store(t, store.Options{})
	w := storetest.NewWorld(t, s)
	for id := range 5 {
		w.Arrive(id)
		w.Arrive(id)
	}
	w.Run(0, inbox.Done, false)
	w.Run(0, inbox.Done, false)
	w.Run(1, inbox.Again, false)
	w.Run(2, inbox.Dead, true)
	w.Run(3, inbox.Dead, false)
	w.Run(4, inbox.Done, false)
	w.Replay(inbox.OnlyAll, func() inbox.Fate { return inbox.Done })
	w.Replay(inbox.OnlyAll, func() inbox.Fate { return inbox.Again })
	storetest.AskAndSend(t, s, w)
	for _, err := range []error{
		s.SaveRelease(ctx, inbox.Release{ID: "r1", Plugin: "p", Asks: []byte("reuse = 2"), Module: []byte("{}")}), s.SaveRelease(ctx, inbox.Release{ID: "r2", Plugin: "p"}),
		s.SetLive(ctx, "p", "r1"), s.RecordStart(ctx, "p", "r2"),
		s.Register(ctx, "q", inbox.StartFrom{Start: true}), s.SaveRelease(ctx, inbox.Release{ID: "r2", Plugin: "q"}), s.RecordStart(ctx, "q", "r2"),
		s.CreateReplay(ctx, operator, &inbox.Replay{Plugins: []string{"p"}}), s.CreateReplay(ctx, operator, &inbox.Replay{Plugins: []string{"p", "q"}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	inboxtest.Check(t, s)
	return s
}

func TestARemovedPluginLeavesNothingAndOtherPluginsAreUnchanged(t *testing.T) {
	t.Parallel()
	s := full(t)
	unused, err := s.RemovePlugin(ctx, operator, "p")
	if err != nil || !slices.Equal(unused, []string{"r1"}) {
		t.Fatalf("%v, %v", unused, err)
	}
	inboxtest.Check(t, s) // no row refers to the removed plugin
	if _, err := s.RemovePlugin(ctx, operator, "p"); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("removed twice: %v", err)
	}
	if _, _, err := s.Load(ctx, "p"); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("it can still be loaded: %v", err)
	}
	if list, err := s.Plugins(ctx); err != nil || len(list) != 1 || list[0].Name != "q" {
		t.Errorf("plugins %+v, %v", list, err)
	}
	if list, err := s.CrashRecords(ctx); err != nil || len(list) != 1 || list[0].Plugin != "q" {
		t.Errorf("crash records %+v, %v", list, err)
	}
	if list, err := s.DeadLetters(ctx, inbox.DeadLetterFilter{}); err != nil || len(list) != 0 {
		t.Errorf("dead letters %+v, %v", list, err)
	}
	if origins, err := s.EffectOrigins(ctx, s.Term()); err != nil || len(origins) != 0 {
		t.Errorf("origins %+v, %v", origins, err)
	}
	jobs, err := s.Replays(ctx, "")
	if err != nil || len(jobs) != 4 {
		t.Fatalf("replays %+v, %v", jobs, err)
	}
	for _, j := range jobs {
		if running := slices.Contains(j.Plugins, "q"); (j.State == inbox.ReplayRunning) != running || slices.Contains(j.Plugins, "p") {
			t.Errorf("replay %+v", j)
		}
	}
	if log, err := s.AuditLog(ctx, inbox.AuditFilter{Action: "remove"}); err != nil || len(log) != 1 || log[0].Target != "p" || log[0].Actor != operator.Name {
		t.Errorf("audit %+v, %v", log, err)
	}
	// A plugin that is registered under the same name is a new plugin.
	if err := s.Register(ctx, "p", inbox.StartFrom{}); err != nil {
		t.Fatal(err)
	}
	if err := s.EachLane(ctx, "p", func(id inbox.LaneID, _ inbox.LaneState) { t.Errorf("the new plugin has the lane %v", id) }); err != nil {
		t.Error(err)
	}
	if p, err := s.Record(ctx, "p"); err != nil || p.Cursor != 12 || p.Live != "" {
		t.Errorf("the new plugin is %+v, %v", p, err)
	}
}

// A new plugin of the name must not find what the removed one kept.
func TestARemovalWhoseCallerStoppedWaitingForgetsStateAndKV(t *testing.T) {
	t.Parallel()
	call, stop := context.WithCancel(ctx)
	var statements atomic.Int64 // of the transaction under way
	returned := make(chan struct{})
	s := inboxtest.Store(t, store.Faulty(store.Options{}, func(point string) error {
		switch {
		case point == store.PointExec:
			statements.Add(1)
		case point == store.PointCommit && statements.Swap(0) > 15: // no other change has as many
			stop()
			<-returned
		}
		return nil
	}))
	storetest.Ready(t, s, 1)
	lane := storetest.OneLane()
	must(t, "settle", storetest.Settle(s, &inbox.Settlement{
		Plugin:  "p",
		Attempt: &inbox.Attempt{Plugin: "p", Seq: 1, Number: 1, Result: inbox.OK, Fate: inbox.Done},
		Effects: &inbox.Effects{
			Lane: lane, State: &inbox.StateChange{State: inbox.State{Document: []byte("{}")}},
			KV: []inbox.KVChange{{Key: "k", Value: []byte("v")}}, KVLimit: inbox.DefaultKV,
		},
	}))
	if _, err := s.RemovePlugin(call, operator, "p"); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller waited: %v", err)
	}
	close(returned)
	if _, err := s.RemovePlugin(ctx, operator, "p"); inbox.KindOf(err) != inbox.NotFound { // it comes after the first removal
		t.Errorf("it was not removed: %v", err)
	}
	must(t, "register", s.Register(ctx, "p", inbox.StartFrom{Start: true}))
	if doc, err := s.State(ctx, "p", lane); err != nil || doc.Document != nil {
		t.Errorf("the new plugin has the state %s, %v", doc.Document, err)
	}
	if value, version, err := s.KV("p", inbox.Live).Get(ctx, "k"); err != nil || version != 0 {
		t.Errorf("the new plugin has the value %q, %v", value, err)
	}
}

func TestTheAnalysisOfAModuleIsStoredWithItsRelease(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	must(t, "register", s.Register(ctx, "p", inbox.StartFrom{Start: true}))
	for _, r := range []inbox.Release{{ID: "r", Plugin: "p", Asks: []byte("a"), Module: []byte("1")}, {ID: "r", Plugin: "p"}, {ID: "r", Plugin: "p", Module: []byte("2")}} {
		if err := s.SaveRelease(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := s.Releases(ctx, "p"); err != nil || len(list) != 1 || string(list[0].Asks) != "a" || string(list[0].Module) != "2" {
		t.Errorf("%+v, %v", list, err)
	}
}

// An operator who notes the number of a request must never find another request under it.
func TestTheIDsOfDeletedEffectsAreNotGivenAgain(t *testing.T) {
	t.Parallel()
	dir := inboxtest.Dir(t)
	ask := func(t *testing.T, s *store.Store) (id int64) {
		t.Helper()
		st := inboxtest.Settled("p", 1)
		st.Term, st.Effects = s.Term(), &inbox.Effects{Lane: storetest.OneLane(), Requests: []inbox.Outgoing{storetest.Ask("https://a.example.com", "/")}}
		if err := storetest.Settle(s, st); err != nil {
			t.Fatal(err)
		}
		if err := s.EachEffect(ctx, inbox.EffectFilter{}, func(d *inbox.EffectDetail) error { id = d.ID; return nil }); err != nil {
			t.Fatal(err)
		}
		return id
	}
	t.Run("removed", func(t *testing.T) {
		s := inboxtest.Store(t, store.Options{Dir: dir})
		storetest.Ready(t, s, 1)
		if id := ask(t, s); id != 1 {
			t.Errorf("the first effect has the id %d", id)
		}
		if _, err := s.RemovePlugin(ctx, operator, "p"); err != nil {
			t.Fatal(err)
		}
	})
	s := inboxtest.Store(t, store.Options{Dir: dir})
	if err := s.Register(ctx, "p", inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	if id := ask(t, s); id != 2 {
		t.Errorf("the effect after the removal has the id %d", id)
	}
}
