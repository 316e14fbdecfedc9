package storetest

import (
	"testing"

	"inbox/inbox"
)

// answerTests are the tests of the events that the ends of effects become.
func answerTests() []test {
	return []test{
		{"the end of an effect becomes one event", theEndOfAnEffectBecomesOneEvent},
		{"a settlement of a try that fails emits nothing", aSettlementOfATryThatFailsEmitsNothing},
	}
}

// newest returns the seq of the newest event of a small store.
func newest(t *testing.T, s Store) int64 {
	t.Helper()
	list, err := s.EventsAfter(t.Context(), 0, 100)
	if err != nil || len(list) == 0 {
		t.Fatalf("%d events, %v", len(list), err)
	}
	return list[len(list)-1].Seq
}

// askThen settles an event of a new store with a request whose end becomes an event, and returns the effect.
func askThen(t *testing.T, w *World) inbox.Effect {
	t.Helper()
	w.Arrive(1)
	r := Ask(crm, "/1")
	r.Then = "crm.answered"
	w.Asks = []inbox.Outgoing{r, Ask(mail, "/2")}
	w.Run(1, inbox.Done, false)
	due := w.Due(crm)
	if len(due) != 1 || due[0].Then != "crm.answered" {
		t.Fatalf("due: %+v", due)
	}
	return due[0]
}

// sendThen settles a try of the effect that [askThen] returned.
func sendThen(s Store, e *inbox.Effect, sent *inbox.Sent, d inbox.Decision) error {
	return settleSend(s, &inbox.SendSettlement{Term: s.Term(), Effect: e, Sent: sent, Decision: d, Emit: inbox.Answered(e, sent, d.Fate)})
}

func theEndOfAnEffectBecomesOneEvent(t *testing.T, open Open) {
	ctx := t.Context()
	s := open(t, Options{})
	w := NewWorld(t, s)
	e := askThen(t, w)
	head := e.Cause.Seq
	step := func(e *inbox.Effect, sent *inbox.Sent, d inbox.Decision, want int64) {
		t.Helper()
		if err := sendThen(s, e, sent, d); err != nil {
			t.Fatal(err)
		}
		if got := newest(t, s); got != head+want {
			t.Fatalf("the log has %d events more, want %d", got-head, want)
		}
	}
	step(&e, answered(500), again(1), 0)
	e = w.Due(crm)[0]
	step(&e, answered(422), inbox.Decision{Fate: inbox.Dead, Counted: 2, Parks: true}, 1)
	step(&e, answered(422), inbox.Decision{Fate: inbox.Dead, Counted: 2, Parks: true}, 1) // once more: the effect has changed since
	got := wantAnswer(t, s, &e, head+1)
	if failed, err := s.ResolveEffects(ctx, operator, inbox.Retried, []int64{e.ID}); err != nil || failed[0] != nil {
		t.Fatalf("retried: %v, %v", failed, err)
	}
	e = w.Due(crm)[0]
	step(&e, answered(200), inbox.Decision{Fate: inbox.Done}, 2)
	if last := event(t, s, head+2); last.ID == got.ID || last.View.Event != "crm.answered" {
		t.Errorf("the second end became %+v", last)
	}
	other := w.Due(mail)[0]
	step(&other, answered(200), inbox.Decision{Fate: inbox.Done}, 2)
}

// wantAnswer checks the event that the death of an effect became, and its cause, and returns it.
func wantAnswer(t *testing.T, s Store, e *inbox.Effect, seq int64) *inbox.Event {
	t.Helper()
	ctx := t.Context()
	cause := event(t, s, e.Cause.Seq)
	got := event(t, s, seq)
	if got.View.Event != "crm.answered" || got.Source != "plugin:p" || got.Origin != inbox.FromEmission || got.View.Key != cause.View.Key || got.Depth != 1 || got.Share != inbox.MaxDescendants-1 {
		t.Errorf("the event is %+v", got)
	}
	p, err := s.Payload(ctx, got.Seq)
	if want := string(inbox.Answered(e, answered(422), inbox.Dead).Body); err != nil || string(p.Body) != want {
		t.Errorf("its body is %s, %v; want %s", p.Body, err, want)
	}
	tr, err := s.Trace(ctx, got.Seq)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "its cause", tr.Cause, nil, &inbox.Cause{Seq: cause.Seq, ID: cause.ID, Plugin: "p", Attempt: 1, Index: 2, Effect: e.ID, Depth: 1})
	if tr, err = s.Trace(ctx, cause.Seq); err != nil {
		t.Fatal(err)
	}
	same(t, "what the attempt led to", tr.Deliveries[0].Emitted, nil, []inbox.Emitted{{Attempt: 1, Index: 2, Effect: e.ID, Event: *got}})
	return got
}

func aSettlementOfATryThatFailsEmitsNothing(t *testing.T, open Open) {
	s := open(t, Options{})
	w := NewWorld(t, s)
	e := askThen(t, w)
	done := inbox.Decision{Fate: inbox.Done}
	fenced := &inbox.SendSettlement{Term: s.Term() - 1, Effect: &e, Sent: answered(200), Decision: done, Emit: inbox.Answered(&e, answered(200), inbox.Done)}
	if err := settleSend(s, fenced); inbox.EndOf(err) != inbox.EndFenced {
		t.Errorf("a try of an earlier term: %v", err)
	}
	bad := answered(200)
	bad.StartedAt, bad.Failure = At(5), inbox.OK
	if err := sendThen(s, &e, bad, inbox.Decision{Fate: "sideways"}); err == nil {
		t.Error("a fate that no store knows was stored")
	}
	if newest(t, s) != e.Cause.Seq {
		t.Errorf("the log has %d events", newest(t, s))
	}
	if err := sendThen(s, &e, answered(200), done); err != nil || newest(t, s) != e.Cause.Seq+1 {
		t.Errorf("the log has %d events, %v", newest(t, s), err)
	}
}
