package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"inbox/inbox"
)

func effectTests() []test {
	return []test{
		{"requests commit with their attempt and are read as they were asked for", requestsCommitWithTheirAttemptAndAreReadAsTheyWereAskedFor},
		{"a raw request has the bytes and headers of its event", aRawRequestHasTheBytesAndHeadersOfItsEvent},
		{"a try is recorded with its response", aTryIsRecordedWithItsResponse},
		{"an effect with many tries keeps the first and the last", anEffectWithManyTriesKeepsTheFirstAndTheLast},
		{"a try of an earlier term changes nothing", aTryOfAnEarlierTermChangesNothing},
		{"a hold of an origin takes counted tries back", aHoldOfAnOriginTakesCountedTriesBack},
		{"effects are listed by their filters, the newest first", effectsAreListedByTheirFiltersTheNewestFirst},
		{"effects are counted, and a discarded one frees the next of its lane", aDiscardedEffectFreesTheNextOfItsLane},
		{"lanes of effects go on in order under random operations", lanesOfEffectsGoOnInOrderUnderRandomOperations},
	}
}

const (
	crm  = "https://crm.example.com"
	mail = "https://mail.example.com:8443"
)

// Ask returns a request to an origin.
func Ask(origin, path string) inbox.Outgoing {
	return inbox.Outgoing{Origin: origin, Request: inbox.Request{Method: "POST", URL: origin + path, Body: []byte(`{"path":"` + path + `"}`)}}
}

// Due returns the first effects of the lanes of the plugin p to an origin.
func (w *World) Due(origin string) []inbox.Effect {
	w.t.Helper()
	list, err := w.s.DueEffects(w.ctx, "p", origin, 100)
	if err != nil {
		w.t.Fatalf("read the due effects: %v", err)
	}
	return list
}

// Send settles a try of an effect.
func (w *World) Send(e *inbox.Effect, sent *inbox.Sent, d inbox.Decision, h inbox.HealthChange) {
	w.t.Helper()
	if err := settleSend(w.s, &inbox.SendSettlement{Term: w.s.Term(), Effect: e, Sent: sent, Decision: d, Health: h}); err != nil {
		w.t.Fatalf("settle a try: %v", err)
	}
}

func settleSend(s Sending, st *inbox.SendSettlement) error {
	answer := make(chan error, 1)
	if err := s.SettleSend(context.Background(), st, func(err error) { answer <- err }); err != nil {
		return err
	}
	return <-answer
}

// answered returns a try with a response.
func answered(status int) *inbox.Sent {
	return &inbox.Sent{
		StartedAt: At(5), Duration: 3 * time.Millisecond, Why: fmt.Sprintf("the response has the status %d", status),
		Response: &inbox.Response{
			Status: status, Headers: []inbox.Header{{Name: "content-type", Value: "text/plain"}}, Body: []byte("body"), Cut: true,
			Duration: 3 * time.Millisecond, Family: "ipv4", Hops: 1,
		},
	}
}

// again is a decision to try once more.
func again(counted int) inbox.Decision {
	return inbox.Decision{Fate: inbox.Again, Counted: counted, DueAt: At(60)}
}

// AskAndSend leaves effects in every state: 1 done, 2 dead that parks 3, 4 in retry before 5, 6 dead that parks nothing.
func AskAndSend(t testing.TB, s Store, w *World) {
	t.Helper()
	l := w.Arrive(7)
	w.Asks = []inbox.Outgoing{Ask(crm, "/1"), Ask(crm, "/2"), Ask(crm, "/3"), Ask(mail, "/4"), Ask(mail, "/5")}
	w.Run(7, inbox.Done, false)
	w.Arrive(8)
	w.Asks = []inbox.Outgoing{Ask(mail, "/6")}
	w.Run(8, inbox.Done, false)
	send := func(path string, sent *inbox.Sent, d inbox.Decision) {
		t.Helper()
		for _, e := range slices.Concat(w.Due(crm), w.Due(mail)) {
			if r, err := s.EffectRequest(context.Background(), e.ID); err == nil && r.URL == e.Lane.Origin+path {
				w.Send(&e, sent, d, inbox.HealthChange{})
				return
			}
		}
		t.Fatalf("the request to %s of event %d is not due", path, l)
	}
	send("/1", answered(200), inbox.Decision{Fate: inbox.Done})
	send("/2", answered(422), inbox.Decision{Fate: inbox.Dead, Counted: 1, Parks: true})
	send("/4", &inbox.Sent{Failure: inbox.Retry, Why: "no answer", StartedAt: At(5)}, again(1))
	send("/6", answered(400), inbox.Decision{Fate: inbox.Dead, Counted: 1})
}

func requestsCommitWithTheirAttemptAndAreReadAsTheyWereAskedFor(t *testing.T, open Open) {
	s := open(t, Options{})
	w := NewWorld(t, s)
	seq := w.Arrive(1)
	asked := inbox.Outgoing{Origin: crm, Request: inbox.Request{
		Method: "PUT", URL: crm + "/a?b=c", Headers: []inbox.Header{{Name: "X-A", Value: "1"}, {Name: "X-A", Value: "2"}},
		Secrets: map[string]string{"Authorization": "Bearer {{secret.token}}"}, Body: []byte("\x00\xff"),
		Sign: inbox.Signing{Scheme: inbox.SignStandard, Secret: "s"},
	}}
	w.Asks = []inbox.Outgoing{asked, Ask(crm, "/second"), Ask(mail, "/third")}
	w.Run(1, inbox.Done, false)
	due := slices.Concat(w.Due(crm), w.Due(mail))
	if len(due) != 2 || due[0].ID >= due[1].ID {
		t.Fatalf("due: %+v", due)
	}
	e := due[0]
	if e.Key == due[1].Key || len(e.Key) != 32 || e.CreatedAt.IsZero() || e.Size < int64(len(`{"path":"/1"}`)) {
		t.Errorf("key %q, created at %s, %d bytes", e.Key, e.CreatedAt, e.Size)
	}
	want := inbox.Effect{
		ID: e.ID, Cause: inbox.EffectCause{Seq: seq, Attempt: 1}, Lane: inbox.EffectLane{Plugin: "p", LaneID: w.Lanes[1].ID, Origin: crm}, Method: "PUT",
		Key: e.Key, CreatedAt: e.CreatedAt, Size: e.Size, EffectProgress: inbox.EffectProgress{State: inbox.EffectWaiting, DueAt: e.CreatedAt},
	}
	same(t, "the effect", e, nil, want)
	r, err := s.EffectRequest(t.Context(), e.ID)
	same(t, "the request", r, err, &inbox.EffectRequest{Request: asked.Request, Source: "qoreid"})
	if _, err := s.EffectRequest(t.Context(), 99); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("the request of an unknown effect: %v", err)
	}
	second, err := s.EffectRequest(t.Context(), due[1].ID)
	if err != nil {
		t.Fatal(err)
	}
	both, err := s.EffectRequests(t.Context(), []int64{due[1].ID, 99, e.ID})
	same(t, "requests in bulk", both, err, map[int64]*inbox.EffectRequest{e.ID: r, due[1].ID: second})
	origins, err := s.EffectOrigins(t.Context(), s.Term())
	same(t, "origins", origins, err, []inbox.EffectOrigin{{Plugin: "p", Origin: crm, DueAt: e.DueAt}, {Plugin: "p", Origin: mail, DueAt: due[1].DueAt}})
}

func aRawRequestHasTheBytesAndHeadersOfItsEvent(t *testing.T, open Open) {
	s := open(t, Options{})
	w := NewWorld(t, s)
	seq := w.Arrive(1)
	w.Asks = []inbox.Outgoing{{Origin: crm, Request: inbox.Request{Method: "POST", URL: crm + "/", Raw: true}}}
	w.Run(1, inbox.Done, false)
	p, err := s.Payload(t.Context(), seq)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.EffectRequest(t.Context(), w.Due(crm)[0].ID)
	if err != nil || string(r.Body) != string(p.Body) || len(r.Original) != len(p.Headers) {
		t.Errorf("it sends %q with %v, %v", r.Body, r.Original, err)
	}
	list, err := s.EffectRequests(t.Context(), []int64{w.Due(crm)[0].ID})
	same(t, "a raw request in bulk", list, err, map[int64]*inbox.EffectRequest{})
}

func aTryIsRecordedWithItsResponse(t *testing.T, open Open) {
	s := open(t, Options{})
	w := NewWorld(t, s)
	w.Arrive(1)
	w.Asks = []inbox.Outgoing{Ask(crm, "/1")}
	w.Run(1, inbox.Done, false)
	e := w.Due(crm)[0]
	w.Send(&e, &inbox.Sent{Failure: inbox.Retry, Why: "no answer", StartedAt: At(4)}, again(1), inbox.HealthChange{})
	e = w.Due(crm)[0]
	if e.State != inbox.EffectRetry || e.Tries != 1 || e.Counted != 1 || !e.DueAt.Equal(At(60)) || e.Why != "no answer" || e.Status != 0 {
		t.Errorf("after a failure: %+v", e)
	}
	w.Send(&e, answered(201), inbox.Decision{Fate: inbox.Done}, inbox.HealthChange{})
	w.Send(&e, answered(500), again(2), inbox.HealthChange{}) // it is settled: this changes nothing
	if due := w.Due(crm); len(due) > 0 {
		t.Errorf("due when it is done: %+v", due)
	}
	tries, err := s.EffectTries(t.Context(), e.ID)
	ok := answered(201)
	same(t, "tries", tries, err, []inbox.Try{
		{Number: 1, StartedAt: At(4), Result: inbox.Retry, Fate: inbox.Again, Counted: true, Why: "no answer"},
		{Number: 2, StartedAt: At(5), Duration: ok.Duration, Result: inbox.OK, Fate: inbox.Done, Status: 201, Why: ok.Why, Response: ok.Response},
	})
	counts, err := s.EffectCounts(t.Context())
	same(t, "counts", counts, err, []inbox.EffectCounts{{Plugin: "p", Origin: crm}})
}

func anEffectWithManyTriesKeepsTheFirstAndTheLast(t *testing.T, open Open) {
	s := open(t, Options{Fast: true})
	w := NewWorld(t, s)
	w.Arrive(1)
	w.Asks = []inbox.Outgoing{Ask(crm, "/1")}
	w.Run(1, inbox.Done, false)
	for range 60 {
		e := w.Due(crm)[0]
		w.Send(&e, answered(500), again(0), inbox.HealthChange{})
	}
	tries, err := s.EffectTries(t.Context(), w.Due(crm)[0].ID)
	if err != nil || len(tries) != 40 || tries[19].Number != 20 || tries[20].Number != 41 || tries[39].Number != 60 {
		t.Errorf("%d tries are kept, %v", len(tries), err)
	}
}

func aTryOfAnEarlierTermChangesNothing(t *testing.T, open Open) {
	s := open(t, Options{})
	w := NewWorld(t, s)
	w.Arrive(1)
	w.Asks = []inbox.Outgoing{Ask(crm, "/1")}
	w.Run(1, inbox.Done, false)
	e := w.Due(crm)[0]
	err := settleSend(s, &inbox.SendSettlement{Term: s.Term() - 1, Effect: &e, Sent: answered(200), Decision: inbox.Decision{Fate: inbox.Done}})
	if inbox.EndOf(err) != inbox.EndFenced {
		t.Errorf("it ended with %v", err)
	}
	same(t, "due", w.Due(crm), nil, []inbox.Effect{e})
}

func aHoldOfAnOriginTakesCountedTriesBack(t *testing.T, open Open) {
	s := open(t, Options{})
	w := NewWorld(t, s)
	w.Arrive(1)
	w.Asks = []inbox.Outgoing{Ask(crm, "/1")}
	w.Run(1, inbox.Done, false)
	e := w.Due(crm)[0]
	w.Send(&e, answered(500), again(1), inbox.HealthChange{})
	e = w.Due(crm)[0]
	health := inbox.Health{OnHold: true, Since: At(7), ProbeAt: At(12), Reason: "retry", Probes: 0}
	w.Send(&e, answered(500), again(1), inbox.HealthChange{Set: &health, Uncount: []inbox.Failure{{Seq: e.ID}}})
	e = w.Due(crm)[0]
	tries, err := s.EffectTries(t.Context(), e.ID)
	if err != nil || e.Counted != 0 || tries[0].Counted || tries[1].Counted {
		t.Errorf("%d tries are counted: %+v, %v", e.Counted, tries, err)
	}
	counts, err := s.EffectCounts(t.Context())
	same(t, "counts", counts, err, []inbox.EffectCounts{{Plugin: "p", Origin: crm, Waiting: 1, Health: health, OldestAt: e.CreatedAt}})
	origins, err := s.EffectOrigins(t.Context(), s.Term())
	same(t, "origins", origins, err, []inbox.EffectOrigin{{Plugin: "p", Origin: crm, Health: health, DueAt: At(60)}})
}

func effectsAreListedByTheirFiltersTheNewestFirst(t *testing.T, open Open) {
	s := open(t, Options{})
	w := NewWorld(t, s)
	AskAndSend(t, s, w)
	ids := func(f inbox.EffectFilter) (ids []int64) {
		t.Helper()
		if err := s.EachEffect(t.Context(), f, func(d *inbox.EffectDetail) error { ids = append(ids, d.ID); return nil }); err != nil {
			t.Error(err)
		}
		return ids
	}
	for _, c := range []struct {
		name string
		f    inbox.EffectFilter
		want []int64
	}{
		{"all", inbox.EffectFilter{}, []int64{6, 5, 4, 3, 2, 1}},
		{"a limit", inbox.EffectFilter{Filter: inbox.Filter{Limit: 2}}, []int64{6, 5}},
		{"ids", inbox.EffectFilter{IDs: []int64{2, 4, 99}}, []int64{4, 2}},
		{"dead", inbox.EffectFilter{States: []inbox.EffectState{inbox.EffectDead}}, []int64{6, 2}},
		{"dead, of an event", inbox.EffectFilter{Filter: inbox.Filter{Seqs: []int64{2}}, States: []inbox.EffectState{inbox.EffectDead}}, []int64{6}},
		{"to be sent", inbox.EffectFilter{States: []inbox.EffectState{inbox.EffectWaiting, inbox.EffectRetry}}, []int64{5, 4, 3}},
		{"an origin", inbox.EffectFilter{Origin: crm}, []int64{3, 2, 1}},
		{"a plugin", inbox.EffectFilter{Filter: inbox.Filter{Plugin: "p"}, Upto: 3}, []int64{3, 2, 1}},
		{"a key", inbox.EffectFilter{Filter: inbox.Filter{Key: w.Lanes[7].ID.Key}}, []int64{5, 4, 3, 2, 1}},
		{"a seq", inbox.EffectFilter{Filter: inbox.Filter{Seqs: []int64{2}}}, []int64{6}},
		{"a mode", inbox.EffectFilter{Filter: inbox.Filter{Mode: inbox.Test}}, nil},
	} {
		same(t, c.name, ids(c.f), nil, c.want)
	}
	tr, err := s.Trace(t.Context(), 1)
	if err != nil || len(tr.Deliveries[0].Requests) != 5 || tr.Deliveries[0].Requests[3].State != inbox.EffectRetry || tr.Deliveries[0].Requests[1].Status != 422 {
		t.Errorf("the trace of the attempt that asked: %+v, %v", tr, err)
	}
}

func aDiscardedEffectFreesTheNextOfItsLane(t *testing.T, open Open) {
	s := open(t, Options{})
	w := NewWorld(t, s)
	AskAndSend(t, s, w)
	counts, err := s.EffectCounts(t.Context())
	if err != nil || len(counts) != 2 || counts[0].Waiting != 1 || counts[0].Dead != 1 || counts[1].Waiting != 2 || counts[1].Dead != 1 {
		t.Errorf("counts %+v, %v", counts, err)
	}
	failed, err := s.ResolveEffects(t.Context(), operator, inbox.Discarded, []int64{2, 4, 99})
	if err != nil || failed[0] != nil || inbox.KindOf(failed[1]) != inbox.Conflict || inbox.KindOf(failed[2]) != inbox.NotFound {
		t.Errorf("discarded: %v, %v", failed, err)
	}
	if due := w.Due(crm); len(due) != 1 || due[0].ID != 3 {
		t.Errorf("after the discard of the dead one: %+v", due)
	}
}
