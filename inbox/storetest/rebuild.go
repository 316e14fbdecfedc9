package storetest

import (
	"context"
	"slices"
	"testing"

	"inbox/inbox"
)

// Rebuilds finds settled events, and replaces the state that was folded from them.
type Rebuilds interface {
	Settled(ctx context.Context, q *inbox.SettledQuery) ([]inbox.Settled, error)
	WatchSettled(ctx context.Context, plugin string) (take func(ctx context.Context) ([]int64, error), end func(), err error)
	SwapState(ctx context.Context, who inbox.Actor, w *inbox.StateSwap) error
}

func rebuildTests() []test {
	return []test{
		{"a swap replaces documents in one commit, and keeps their history", aSwapReplacesDocuments},
		{"each settled event is found once, with the lanes of its changes", eachSettledEventIsFoundOnce},
		{"events that are settled while a plugin is watched are noted once", settledEventsAreNotedOnce},
	}
}

func aSwapReplacesDocuments(t *testing.T, open Open) {
	ctx := t.Context()
	s := open(t, Options{})
	Ready(t, s, 3)
	other := inbox.LaneID{Mode: inbox.Live, Key: "@ref/c"}
	mustSettle(t, s, withEffects(1, inbox.Effects{State: document(`{"n":9}`, 3)}))
	mustSettle(t, s, withEffects(2, inbox.Effects{Lane: other, State: document(`{"n":8}`, 3)}))
	wantState(t, s, OneLane(), `{"n":9}`, 3)
	swap := inbox.StateSwap{Plugin: "p", Version: 1, All: true, Docs: []inbox.LaneDocument{
		{Lane: OneLane(), Subject: OneLane(), Seq: 1, Document: []byte(`{"n":1}`)}, {Lane: other, Subject: OneLane(), Seq: 2},
	}}
	if err := s.SwapState(ctx, inbox.Actor{Name: "uid:0", Reason: "a bug"}, &swap); err != nil {
		t.Fatal(err)
	}
	wantState(t, s, OneLane(), `{"n":1}`, 1)
	wantState(t, s, other, "", 0)
	if r, err := s.Record(ctx, "p"); err != nil || r.StateVersion != 1 {
		t.Errorf("the version of the documents: %+v %v", r, err)
	}
	id := inbox.StateID{Plugin: "p", Lane: OneLane()}
	if e, err := s.StateAt(ctx, id, inbox.StateMoment{}); err != nil || e.Change != 2 || e.Seq != 1 || e.Attempt != 0 {
		t.Errorf("the change: %+v %v", e, err)
	}
	if e, err := s.StateAt(ctx, id, inbox.StateMoment{Change: 1}); err != nil || string(e.Document) != `{"n":9}` {
		t.Errorf("the change before: %+v %v", e, err)
	}
	if log, err := s.AuditLog(ctx, inbox.AuditFilter{Action: "rebuild"}); err != nil || len(log) != 1 || log[0].Reason != "a bug" {
		t.Errorf("the audit log: %+v %v", log, err)
	}
	mustSettle(t, s, withEffects(3, inbox.Effects{State: document(`{"n":2}`, 4)}))
	if r, err := s.Record(ctx, "p"); err != nil || r.StateVersion != 4 {
		t.Errorf("a higher version afterwards: %+v %v", r, err)
	}
}

func eachSettledEventIsFoundOnce(t *testing.T, open Open) {
	s := open(t, Options{})
	Ready(t, s, 3)
	mustSettle(t, s, withEffects(1, inbox.Effects{State: document(`{}`, 0)}))
	mustSettle(t, s, &inbox.Settlement{Attempt: Attempt(2, 1, inbox.Retry, inbox.Again)})
	mustSettle(t, s, &inbox.Settlement{Attempt: Attempt(2, 2, inbox.Skip, inbox.Done)})
	find := func(q inbox.SettledQuery) []inbox.Settled {
		t.Helper()
		q.Plugin = "p"
		list, err := s.Settled(t.Context(), &q)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	list := find(inbox.SettledQuery{Limit: 10})
	if len(list) != 2 || list[0].Seq != 1 || !slices.Equal(list[0].Lanes, []inbox.LaneID{OneLane()}) || list[1].Seq != 2 || list[1].Attempt != 2 || list[1].Lanes != nil {
		t.Errorf("%+v", list)
	}
	for name, q := range map[string]inbox.SettledQuery{
		"above a seq": {After: 1, Limit: 10}, "of seqs": {Seqs: []int64{2, 3}, Limit: 10}, "of a key": {Key: OneLane(), After: 1, Limit: 1},
	} {
		if list := find(q); len(list) != 1 || list[0].Seq != 2 {
			t.Errorf("%s: %+v", name, list)
		}
	}
}

func settledEventsAreNotedOnce(t *testing.T, open Open) {
	s := open(t, Options{})
	Ready(t, s, 4)
	mustSettle(t, s, withEffects(1, inbox.Effects{}))
	take, end, err := s.WatchSettled(t.Context(), "p")
	if err != nil {
		t.Fatal(err)
	}
	want := func(seqs ...int64) {
		t.Helper()
		list, err := take(t.Context())
		slices.Sort(list)
		if err != nil || !slices.Equal(list, seqs) {
			t.Errorf("noted %v, %v; want %v", list, err, seqs)
		}
	}
	want()
	mustSettle(t, s, withEffects(2, inbox.Effects{}))
	mustSettle(t, s, &inbox.Settlement{Attempt: Attempt(3, 1, inbox.Skip, inbox.Done)})
	want(2, 3)
	want()
	end()
	mustSettle(t, s, withEffects(4, inbox.Effects{}))
	want()
}
