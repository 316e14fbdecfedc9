package storetest

import (
	"testing"

	"inbox/inbox"
)

func anOperatorResetsAStateDocument(t *testing.T, open Open) {
	ctx, who := t.Context(), inbox.Actor{Name: "uid:0", Reason: "damaged"}
	s := open(t, Options{})
	Ready(t, s, 3)
	id := inbox.StateID{Plugin: "p", Lane: OneLane()}
	if err := s.ResetState(ctx, who, id); inbox.KindOf(err) != inbox.Conflict || inbox.HintOf(err) == "" {
		t.Errorf("a plugin that is not paused: %v", err)
	}
	pause := func(paused bool) {
		t.Helper()
		if err := s.SetPaused(ctx, who, "p", paused); err != nil {
			t.Fatal(err)
		}
	}
	pause(true)
	if err := s.ResetState(ctx, who, id); inbox.KindOf(err) != inbox.NotFound || inbox.HintOf(err) == "" {
		t.Errorf("a document that is not there: %v", err)
	}
	keep := func(seq int64, text string) {
		t.Helper()
		mustSettle(t, s, withEffects(seq, inbox.Effects{State: document(text, 3)}))
		wantState(t, s, OneLane(), text, 3)
	}
	keep(1, `{"n":1}`)
	if err := s.ResetState(ctx, who, id); err != nil {
		t.Fatal(err)
	}
	wantState(t, s, OneLane(), "", 0)
	if err := s.ResetState(ctx, who, id); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("a document that was reset: %v", err)
	}

	// A settlement that is committed in the same batch as the reset does not bring its document back.
	st := withEffects(2, inbox.Effects{State: document(`{"n":2}`, 3)})
	st.Plugin, st.Term = "p", s.Term()
	done := make(chan error, 1)
	if err := s.Settle(ctx, st, func(err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := s.ResetState(ctx, who, id); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantState(t, s, OneLane(), "", 0)
	pause(false)
	keep(3, `{"n":3}`)
	wantResets(t, s, id)
}

// wantResets checks the history of a document that was reset twice, and the audit entries of the resets.
func wantResets(t *testing.T, s Store, id inbox.StateID) {
	t.Helper()
	ctx := t.Context()
	type change struct {
		change, seq int64
		attempt     int
		deleted     bool
	}
	var list []change
	err := s.EachStateChange(ctx, id, inbox.StateHistory{Documents: true}, func(e *inbox.StateEntry) error {
		list = append(list, change{e.Change, e.Seq, e.Attempt, e.Deleted})
		return nil
	})
	want := []change{{5, 3, 1, false}, {4, 2, 0, true}, {3, 2, 1, false}, {2, 1, 0, true}, {1, 1, 1, false}}
	if err != nil || len(list) != len(want) {
		t.Fatalf("the history: %+v %v", list, err)
	}
	for i := range want {
		if list[i] != want[i] {
			t.Errorf("change %+v, want %+v", list[i], want[i])
		}
	}
	log, err := s.AuditLog(ctx, inbox.AuditFilter{Action: "reset"})
	if err != nil || len(log) != 2 || log[0].Target != "state of plugin p for live "+OneLane().Key || log[0].Reason != "damaged" {
		t.Errorf("the audit log: %+v %v", log, err)
	}
}
