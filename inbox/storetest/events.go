package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

// seqsOf returns the seqs of events.
func seqsOf(list []inbox.Event) []int64 {
	seqs := make([]int64, 0, len(list))
	for i := range list {
		seqs = append(seqs, list[i].Seq)
	}
	return seqs
}

func eventsAreReadInTheOrderOfTheLog(t *testing.T, open Open) {
	ctx := t.Context()
	s := open(t, Options{})
	for i := range 12 { // three keys, and the customer references ref-0 … ref-2
		inboxtest.Accept(t, s, inboxtest.Body(i%3, i))
	}
	seqs := func(list []inbox.Event, err error) []int64 {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
		return seqsOf(list)
	}
	for name, c := range map[string][2][]int64{
		"after":        {seqs(s.EventsAfter(ctx, 4, 3)), {5, 6, 7}},
		"at the end":   {seqs(s.EventsAfter(ctx, 11, 10)), {12}},
		"of a lane":    {seqs(s.LaneEvents(ctx, inbox.Live, "qoreid/workflow/1", 3, 11, 10)), {5, 8, 11}},
		"bounded":      {seqs(s.LaneEvents(ctx, inbox.Live, "qoreid/workflow/1", 1, 10, 2)), {2, 5}},
		"of no mode":   {seqs(s.LaneEvents(ctx, inbox.Test, "qoreid/workflow/1", 1, 12, 9)), {}},
		"of reference": {seqs(s.ReferenceEvents(ctx, inbox.Live, "ref-2", 4, 12, 2)), {6, 9}},
	} {
		if diff := cmp.Diff(c[1], c[0]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func anIDOfAnotherStoreIsNotFound(t *testing.T, open Open) {
	ctx := t.Context()
	s, other := open(t, Options{}), open(t, Options{})
	own, foreign := inboxtest.Accept(t, s, "a"), inboxtest.Accept(t, other, "a")
	if own.ID == foreign.ID {
		t.Fatal("two stores return the same id: their keys are the same")
	}
	if e, err := s.EventByID(ctx, own.ID); err != nil || e.Seq != own.Seq {
		t.Errorf("an id of this store: %+v, %v", e, err)
	}
	for id, kind := range map[string]inbox.Kind{foreign.ID: inbox.NotFound, "evt_zzzz": inbox.Invalid, inbox.EventID(77, make([]byte, 32)): inbox.NotFound} {
		if _, err := s.EventByID(ctx, id); inbox.KindOf(err) != kind {
			t.Errorf("%s: %v", id, err)
		}
	}
}
