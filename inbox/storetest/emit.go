package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

func emissionTests() []test {
	return []test{
		{"an emitted event is stored with its cause", anEmittedEventIsStoredWithItsCause},
		{"an emitted event with a key of its own is its plugin's", anEmittedEventWithAKeyOfItsOwnIsItsPlugins},
		{"an emitted event of an event without a key has none", anEmittedEventOfAnEventWithoutAKeyHasNone},
		{"equal emitted events are all stored", equalEmittedEventsAreAllStored},
		{"a replay emits again, with ids of its own", aReplayEmitsAgainWithIDsOfItsOwn},
		{"a settlement that fails emits nothing", aSettlementThatFailsEmitsNothing},
		{"a chain of emitted events has a last depth", aChainOfEmittedEventsHasALastDepth},
		{"emitted events share the allowance of their cause", emittedEventsShareTheAllowanceOfTheirCause},
		{"an entity has the verdict of its webhooks, whatever plugins emit", anEntityHasTheVerdictOfItsWebhooks},
		{"emitted events are found by their source and event", emittedEventsAreFoundByTheirSourceAndEvent},
	}
}

// Emitting returns a settlement of the first run of an event, whose attempt emits.
func Emitting(seq int64, list ...inbox.Emission) *inbox.Settlement {
	return &inbox.Settlement{Attempt: Attempt(seq, 1, inbox.OK, inbox.Done), Effects: &inbox.Effects{Lane: OneLane(), Emit: list}}
}

// passed returns an emission with a body.
func passed(body string) inbox.Emission {
	return inbox.Emission{Event: "customer.passed", Body: []byte(body)}
}

// event returns a stored event.
func event(t *testing.T, s Store, seq int64) *inbox.Event {
	t.Helper()
	e, err := s.Event(t.Context(), seq)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func anEmittedEventIsStoredWithItsCause(t *testing.T, open Open) {
	ctx := t.Context()
	now := At(100)
	s := open(t, Options{Now: func() time.Time { return now }})
	Ready(t, s, 2)
	cause := event(t, s, 2)
	now = At(200)
	typed := passed(`{"n":1}`)
	typed.EventType = "first"
	mustSettle(t, s, Emitting(2, typed, passed(`{"n":2}`)))
	e := event(t, s, 3)
	same(t, "the emitted event", *e, nil, inbox.Event{
		Seq: 3, ID: e.ID, Source: "plugin:p", Mode: inbox.Live, Origin: inbox.FromEmission, Size: 7, Depth: 1, Share: inbox.ShareOf(inbox.MaxDescendants, 2),
		View: inbox.View{
			Event: "customer.passed", EventType: "first", Key: cause.View.Key, CustomerReference: cause.View.CustomerReference,
			Verdict: inbox.Unknown, Rank: -1,
		},
		ReceivedAt: At(200), FirstSeenAt: At(200), StoredAt: At(200),
	})
	if byID, err := s.EventByID(ctx, e.ID); err != nil || byID.Seq != 3 {
		t.Errorf("by its id: %+v, %v", byID, err)
	}
	p, err := s.Payload(ctx, 3)
	same(t, "its payload", p, err, inbox.Payload{Body: []byte(`{"n":1}`)})
	tr, err := s.Trace(ctx, 3)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "its cause", tr.Cause, nil, &inbox.Cause{Seq: 2, ID: cause.ID, Plugin: "p", Attempt: 1, Depth: 1})
	if tr, err = s.Trace(ctx, 2); err != nil {
		t.Fatal(err)
	}
	same(t, "what the cause's attempt emitted", tr.Deliveries[0].Emitted, nil, []inbox.Emitted{
		{Attempt: 1, Event: *e}, {Attempt: 1, Index: 1, Event: *event(t, s, 4)},
	})
	if tr.Cause != nil {
		t.Errorf("a webhook was caused by %+v", tr.Cause)
	}
	lane, err := s.LaneEvents(ctx, inbox.Live, cause.View.Key, 1, 9, 9)
	if err != nil || len(lane) != 4 || lane[3].Seq != 4 {
		t.Errorf("the lane has %+v, %v", lane, err)
	}
}

func anEmittedEventWithAKeyOfItsOwnIsItsPlugins(t *testing.T, open Open) {
	s := ready(t, open, 1)
	one := passed(`1`)
	one.Key = "day/2026-12-01"
	mustSettle(t, s, Emitting(1, one))
	if e := event(t, s, 2); e.View.Key != "plugin:p/day/2026-12-01" || e.View.CustomerReference != "" {
		t.Errorf("it has %+v", e.View)
	}
}

func anEmittedEventOfAnEventWithoutAKeyHasNone(t *testing.T, open Open) {
	s := open(t, Options{})
	a := inboxtest.Arrival(`{"event":"workflow"}`)
	a.View.Key = ""
	if _, err := s.Accept(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if err := s.Register(t.Context(), "p", inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	st := Emitting(1, passed(`1`))
	st.Effects.Lane.Key = inbox.SoloKey(1)
	mustSettle(t, s, st)
	if e := event(t, s, 2); e.View.Key != inbox.SoloKey(2) {
		t.Errorf("its key is %s", e.View.Key)
	}
}

func equalEmittedEventsAreAllStored(t *testing.T, open Open) {
	ctx := t.Context()
	s := ready(t, open, 2)
	mustSettle(t, s, Emitting(1, passed(`{}`), passed(`{}`)))
	mustSettle(t, s, Emitting(2, passed(`{}`)))
	list, err := s.EventsAfter(ctx, 2, 9)
	if err != nil || len(list) != 3 {
		t.Fatalf("%d events, %v", len(list), err)
	}
	for i := range list {
		if list[i].DuplicateHint || list[i].Late {
			t.Errorf("event %d is marked: %+v", list[i].Seq, list[i])
		}
	}
	again := Emitting(1, passed(`{}`))
	if err := Settle(s, &inbox.Settlement{Plugin: "p", Attempt: again.Attempt, Effects: again.Effects}); err == nil {
		t.Error("the same attempt emitted twice")
	}
	if r, err := s.Accept(ctx, inboxtest.Arrival(`{}`)); err != nil || r.Status != inbox.Stored || r.Seq != 6 {
		t.Errorf("a webhook with the body of an emitted event: %+v, %v", r, err)
	}
}

func aReplayEmitsAgainWithIDsOfItsOwn(t *testing.T, open Open) {
	ctx := t.Context()
	s := ready(t, open, 1)
	first := Emitting(1, passed(`{}`))
	first.Position.Cursor = 1
	mustSettle(t, s, first)
	j := &inbox.Replay{Only: inbox.OnlyAll, Plugins: []string{"p"}}
	if err := s.CreateReplay(ctx, operator, j); err != nil {
		t.Fatal(err)
	}
	second := Emitting(1, passed(`{}`))
	second.Attempt.Run = j.ID
	second.Replay = &inbox.ReplayStep{Replay: j.ID, Plugin: "p", Position: j.Upto, Add: inbox.ReplayCount{OK: 1}, Done: true}
	mustSettle(t, s, second)
	tr, err := s.Trace(ctx, 1)
	if err != nil || len(tr.Deliveries[0].Emitted) != 2 {
		t.Fatalf("%+v, %v", tr, err)
	}
	was, is := tr.Deliveries[0].Emitted[0], tr.Deliveries[0].Emitted[1]
	if was.Run != 0 || is.Run != j.ID || was.Event.ID[len(was.Event.ID)-8:] == is.Event.ID[len(is.Event.ID)-8:] {
		t.Errorf("the run emitted %+v, the replay %+v", was, is)
	}
}

func aSettlementThatFailsEmitsNothing(t *testing.T, open Open) {
	ctx := t.Context()
	s := ready(t, open, 2)
	bad := Emitting(1, passed(`1`), passed(`2`))
	bad.Attempt.Result = inbox.Trap // no store accepts a trap whose fate is done
	bad.Plugin = "p"
	if err := Settle(s, bad); err == nil {
		t.Error("an invalid settlement committed")
	}
	fenced := Emitting(1, passed(`3`))
	fenced.Plugin, fenced.Term = "p", s.Term()-1
	answer := make(chan error, 1)
	if err := s.Settle(ctx, fenced, func(err error) { answer <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; inbox.EndOf(err) != inbox.EndFenced {
		t.Errorf("a settlement of an earlier term: %v", err)
	}
	stale := Emitting(1, passed(`4`))
	stale.Plugin, stale.Effects.Reads.Keys = "p", []inbox.KVKey{{Key: "count", Version: 1}} // the key is absent
	if err := Settle(s, stale); inbox.EndOf(err) != inbox.EndRefused {
		t.Errorf("a settlement that rests on a value that is gone: %v", err)
	}
	mustSettle(t, s, Emitting(2, passed(`5`)))
	list, err := s.EventsAfter(ctx, 2, 9)
	if err != nil || len(list) != 1 {
		t.Errorf("the log has %+v, %v", list, err)
	}
	if p, err := s.Payload(ctx, 3); err != nil || string(p.Body) != "5" {
		t.Errorf("event 3 is %s, %v", p.Body, err)
	}
}

func emittedEventsShareTheAllowanceOfTheirCause(t *testing.T, open Open) {
	s := ready(t, open, 1)
	mustSettle(t, s, Emitting(1, slices.Repeat([]inbox.Emission{passed(`0`)}, inbox.MaxEmissions)...))
	share := event(t, s, 2).Allowance()
	if want := inbox.ShareOf(inbox.MaxDescendants, inbox.MaxEmissions); share != want {
		t.Fatalf("the first has %d descendants, want %d", share, want)
	}
	if err := Settle(s, Emitting(2, slices.Repeat([]inbox.Emission{passed(`0`)}, share+1)...)); err == nil {
		t.Error("more events than the allowance were stored")
	}
	mustSettle(t, s, Emitting(2, slices.Repeat([]inbox.Emission{passed(`0`)}, share)...))
	if last := event(t, s, inbox.MaxEmissions+2); last.Depth != 2 || last.Allowance() != 0 {
		t.Errorf("the first of the second depth: depth %d, %d descendants", last.Depth, last.Allowance())
	}
	if err := Settle(s, Emitting(inbox.MaxEmissions+2, passed(`0`))); err == nil {
		t.Error("an event without an allowance has a descendant")
	}
}

func aChainOfEmittedEventsHasALastDepth(t *testing.T, open Open) {
	s := ready(t, open, 1)
	for depth := range inbox.MaxDepth {
		mustSettle(t, s, Emitting(int64(depth+1), passed(fmt.Sprint(depth))))
		if e := event(t, s, int64(depth+2)); e.Depth != depth+1 {
			t.Errorf("event %d has depth %d", e.Seq, e.Depth)
		}
	}
	st := Emitting(inbox.MaxDepth+1, passed(`0`))
	st.Plugin = "p"
	if err := Settle(s, st); err == nil {
		t.Error("an event beyond the last depth was stored")
	}
	if _, err := s.Event(t.Context(), inbox.MaxDepth+2); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("the event after it: %v", err)
	}
}

func anEntityHasTheVerdictOfItsWebhooks(t *testing.T, open Open) {
	ctx := t.Context()
	s := open(t, Options{})
	a := inboxtest.Arrival(`{"event":"workflow"}`) // of no known step
	a.View = inbox.View{Event: "workflow", Key: OneLane().Key, Verdict: inbox.Passed, Status: "verified", Rank: -1}
	if _, err := s.Accept(ctx, a); err != nil {
		t.Fatal(err)
	}
	if err := s.Register(ctx, "p", inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	mustSettle(t, s, Emitting(1, passed(`1`)))
	list, err := s.Entities(ctx, inbox.EntityFilter{})
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if e := list[0]; e.Verdict != inbox.Passed || e.Status != "verified" || e.Event != "workflow" || e.Events != 2 {
		t.Errorf("the entity is %+v", e)
	}
}

func emittedEventsAreFoundByTheirSourceAndEvent(t *testing.T, open Open) {
	ctx := t.Context()
	s := ready(t, open, 2)
	mustSettle(t, s, Emitting(1, passed(`{"a":1}`)))
	for name, f := range map[string]inbox.Filter{
		"source": {Sources: []string{"plugin:p"}}, "any plugin": {Sources: []string{"plugin:*"}}, "event": {Events: []string{"customer.*"}},
		"verdict and body": {Statuses: []string{"unknown"}, Events: []string{"customer.passed"}, Where: []inbox.Condition{{Pointer: "/a", Values: []string{"1"}}}},
	} {
		if list, err := s.Find(ctx, f); err != nil || len(list) != 1 || list[0].Seq != 3 {
			t.Errorf("by %s: %+v, %v", name, list, err)
		}
	}
}
