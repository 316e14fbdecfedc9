package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

// EntityLinks ties keys to customer references.
type EntityLinks interface {
	LinkEntity(ctx context.Context, who inbox.Actor, r *inbox.LinkRequest) (*inbox.EntityLink, error)
	LinkedReference(ctx context.Context, mode inbox.Mode, key string) (string, error)
}

func linkTests() []test {
	return []test{
		{"events that arrive after a link carry its reference, earlier ones keep their rows", eventsAfterALinkCarryItsReference},
		{"a link that contradicts is refused", aLinkThatContradictsIsRefused},
		{"a link that is made while events arrive divides them at its seq", aLinkDividesTheEventsAtItsSeq},
		{"a link names the plugins that have earlier events to run", aLinkNamesThePluginsThatHaveEarlierEventsToRun},
	}
}

const linkedKey = "qoreid/workflow/7"

func linkRequest(ref string) *inbox.LinkRequest {
	return &inbox.LinkRequest{Mode: inbox.Live, Key: linkedKey, Reference: ref}
}

// arrive stores an event of a workflow, with a reference of its own unless that is empty.
func arrive(t *testing.T, s Store, mode inbox.Mode, id, n int, ref string) int64 {
	t.Helper()
	own := ""
	if ref != "" {
		own = fmt.Sprintf(`,"customerReference":%q`, ref)
	}
	a := inboxtest.Arrival(fmt.Sprintf(`{"event":"workflow","event_type":"verification_completed","data":{"id":%d,"n":%d%s}}`, id, n, own))
	a.Mode = mode
	if mode == inbox.Test {
		a.Source = "test"
		a.View.Key = linkedKey
	}
	receipt, err := s.Accept(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return receipt.Seq
}

// references returns the stored references of all events.
func references(t *testing.T, s Store) (list []string) {
	t.Helper()
	events, err := s.EventsAfter(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for i := range events {
		list = append(list, events[i].View.CustomerReference)
	}
	return list
}

// wantLinked checks what the link of the key of verification 7 shows, and where it is recorded.
func wantLinked(t *testing.T, s Store) {
	t.Helper()
	ctx := t.Context()
	got, err := s.LinkedReference(ctx, inbox.Live, linkedKey)
	same(t, "the link", got, err, "cust-1")
	for _, other := range []inbox.LaneID{{Mode: inbox.Test, Key: linkedKey}, {Mode: inbox.Live, Key: "qoreid/workflow/8"}} {
		got, err := s.LinkedReference(ctx, other.Mode, other.Key)
		same(t, "the link of "+other.Key, got, err, "")
	}
	found, err := s.Find(ctx, inbox.Filter{CustomerReference: "cust-1"})
	var seqs []int64
	for i := range found {
		seqs = append(seqs, found[i].Seq)
	}
	same(t, "the events of the customer", seqs, err, []int64{1, 2, 3, 6, 7})
	entities, err := s.Entities(ctx, inbox.EntityFilter{Filter: inbox.Filter{CustomerReference: "cust-1"}})
	if err != nil || len(entities) != 1 || !entities[0].Linked || entities[0].Key != linkedKey || entities[0].CustomerReference != "cust-1" {
		t.Errorf("the entities of the customer: %+v %v", entities, err)
	}
	log, err := s.AuditLog(ctx, inbox.AuditFilter{Action: "link"})
	if err != nil || len(log) != 1 || log[0].Target != "live qoreid/workflow/7 to customer reference cust-1" || log[0].Reason != "signup" {
		t.Errorf("the audit log: %+v %v", log, err)
	}
}

func eventsAfterALinkCarryItsReference(t *testing.T, open Open) {
	ctx, dir := t.Context(), inboxtest.Dir(t)
	s := open(t, Options{Dir: dir})
	arrive(t, s, inbox.Live, 7, 1, "")
	who := inbox.Actor{Name: "uid:0", Reason: "signup"}
	l, err := s.LinkEntity(ctx, who, linkRequest("cust-1"))
	if err != nil || l.After != 1 || l.Reference != "cust-1" || l.At.IsZero() || l.Before != "" {
		t.Fatalf("%+v %v", l, err)
	}
	again, err := s.LinkEntity(ctx, who, linkRequest("cust-1"))
	same(t, "the same link again", again, err, l)
	arrive(t, s, inbox.Live, 7, 2, "")
	arrive(t, s, inbox.Live, 7, 3, "own")
	arrive(t, s, inbox.Live, 8, 4, "")
	arrive(t, s, inbox.Test, 7, 5, "")
	if err := s.Register(ctx, "p", inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	for _, seq := range []int64{2, 1} {
		emit := withEffects(seq, inbox.Effects{Lane: inbox.LaneID{Mode: inbox.Live, Key: linkedKey}, Emit: []inbox.Emission{{Event: "customer.passed"}}})
		if seq == 1 {
			emit.Position = inbox.PositionChange{}
		}
		mustSettle(t, s, emit)
	}
	want := []string{"", "cust-1", "own", "", "", "cust-1", "cust-1"}
	same(t, "references", references(t, s), nil, want)
	wantLinked(t, s)
	second := open(t, Options{Dir: dir}) // another process reads the links at its start
	arrive(t, second, inbox.Live, 7, 6, "")
	same(t, "references", references(t, second), nil, append(want, "cust-1"))
}

// wantBothReferences checks that a verification whose link was replaced is found by both references.
func wantBothReferences(t *testing.T, s Store) {
	t.Helper()
	ctx := t.Context()
	for _, ref := range []string{"a", "b"} { // the first event carries a, and the verification belongs to b
		entities, err := s.Entities(ctx, inbox.EntityFilter{Filter: inbox.Filter{CustomerReference: ref}})
		if err != nil || len(entities) != 1 || entities[0].CustomerReference != "b" {
			t.Errorf("the entities of %s: %+v %v", ref, entities, err)
		}
	}
}

func aLinkThatContradictsIsRefused(t *testing.T, open Open) {
	ctx, who := t.Context(), inbox.Actor{Name: "uid:0"}
	s := open(t, Options{})
	refused := func(name string, r *inbox.LinkRequest, kind inbox.Kind) {
		t.Helper()
		if _, err := s.LinkEntity(ctx, who, r); inbox.KindOf(err) != kind || inbox.HintOf(err) == "" {
			t.Errorf("%s: %v (%s)", name, err, inbox.HintOf(err))
		}
	}
	refused("a key without events", linkRequest("a"), inbox.NotFound)
	ahead := linkRequest("a")
	ahead.Ahead = true
	if l, err := s.LinkEntity(ctx, who, ahead); err != nil || l.After != 0 {
		t.Errorf("a link ahead: %+v %v", l, err)
	}
	arrive(t, s, inbox.Live, 7, 1, "")
	refused("another reference", linkRequest("b"), inbox.Conflict)
	other := linkRequest("b")
	other.Replace = true
	if l, err := s.LinkEntity(ctx, who, other); err != nil || l.Before != "a" || l.After != 1 {
		t.Errorf("a replaced link: %+v %v", l, err)
	}
	arrive(t, s, inbox.Live, 7, 2, "")
	same(t, "references", references(t, s), nil, []string{"a", "b"})
	wantBothReferences(t, s)
	arrive(t, s, inbox.Live, 9, 3, "own")
	carried := &inbox.LinkRequest{Mode: inbox.Live, Key: "qoreid/workflow/9", Reference: "c"}
	refused("events with a reference of their own", carried, inbox.Conflict)
	carried.Reference = "own"
	if _, err := s.LinkEntity(ctx, who, carried); err != nil {
		t.Errorf("the reference that the events carry: %v", err)
	}
	log, err := s.AuditLog(ctx, inbox.AuditFilter{Action: "link"})
	if err != nil || len(log) != 3 || log[1].Target != "live qoreid/workflow/7 to customer reference b in place of a" {
		t.Errorf("the audit log: %+v %v", log, err)
	}
}

func aLinkDividesTheEventsAtItsSeq(t *testing.T, open Open) {
	s := open(t, Options{Fast: true})
	arrive(t, s, inbox.Live, 7, 0, "")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 40 {
				arrive(t, s, inbox.Live, 7, 1000*(i+1)+n, "")
			}
		})
	}
	inboxtest.Eventually(t, "some events have arrived", func() bool { return len(references(t, s)) > 20 })
	l, err := s.LinkEntity(t.Context(), inbox.Actor{}, linkRequest("c"))
	if err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	arrive(t, s, inbox.Live, 7, 1, "")
	for i, ref := range references(t, s) {
		if want := map[bool]string{true: "c", false: ""}[int64(i+1) > l.After]; ref != want {
			t.Errorf("event %d of a link after %d has the reference %q", i+1, l.After, ref)
		}
	}
}

func aLinkNamesThePluginsThatHaveEarlierEventsToRun(t *testing.T, open Open) {
	ctx := t.Context()
	s := open(t, Options{})
	arrive(t, s, inbox.Live, 7, 1, "")
	lane := inbox.LaneID{Mode: inbox.Live, Key: linkedKey}
	for plugin, st := range map[string]*inbox.Settlement{
		"behind": {Release: inbox.ReleaseChange{LaneRule: "key customer_reference"}},
		"done":   {Release: inbox.ReleaseChange{LaneRule: "key customer_reference"}, Position: inbox.PositionChange{Cursor: 1}},
		"by-key": {Release: inbox.ReleaseChange{LaneRule: "key key"}},
		"lags": {
			Release: inbox.ReleaseChange{LaneRule: "key customer_reference"}, Position: inbox.PositionChange{Cursor: 1},
			Lane: inbox.LaneChange{Put: &inbox.Lane{ID: lane, Next: 1, State: inbox.LaneReady}},
		},
	} {
		if err := s.Register(ctx, plugin, inbox.StartFrom{Start: true}); err != nil {
			t.Fatal(err)
		}
		st.Plugin = plugin
		if err := Settle(s, st); err != nil {
			t.Fatal(err)
		}
	}
	l, err := s.LinkEntity(ctx, inbox.Actor{}, linkRequest("c"))
	if err != nil || !slices.Equal(l.Waiting, []string{"behind", "lags"}) {
		t.Errorf("%+v %v", l, err)
	}
}
