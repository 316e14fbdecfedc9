package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
)

// States returns state documents and their changes.
type States interface {
	ResetState(ctx context.Context, who inbox.Actor, id inbox.StateID) error
	StateAt(ctx context.Context, id inbox.StateID, at inbox.StateMoment) (*inbox.StateEntry, error)
	EachStateChange(ctx context.Context, id inbox.StateID, f inbox.StateHistory, fn func(*inbox.StateEntry) error) error
	EachState(ctx context.Context, f inbox.StateFilter, fn func(*inbox.StateEntry) error) error
}

func stateTests() []test {
	return []test{
		{"a state document is returned as it was at a change, a seq and a time", aStateDocumentIsReturnedAsItWasAtAChangeASeqAndATime},
		{"the changes of a state document are listed newest first", theChangesOfAStateDocumentAreListedNewestFirst},
		{"state documents are listed by filters, each with its newest change", stateDocumentsAreListedByFiltersEachWithItsNewestChange},
		{"a trace has the changes of state that its attempts made", aTraceHasTheChangesOfStateThatItsAttemptsMade},
		{"an operator resets a state document, and the plugin begins anew", anOperatorResetsAStateDocument},
		{"the record of a plugin has the highest version of its state", theRecordOfAPluginHasTheHighestVersionOfItsState},
	}
}

// changed is a change of state that a test makes. An empty document deletes.
type changed struct {
	plugin   string
	lane     inbox.LaneID
	seq, run int64
	version  int
	document string
}

// settleState commits an attempt with a change of state.
func settleState(t *testing.T, s Settler, c changed) {
	t.Helper()
	change := &inbox.StateChange{State: inbox.State{Version: c.version}}
	if c.document != "" {
		change.Document = []byte(c.document)
	}
	a := Attempt(c.seq, 1, inbox.OK, inbox.Done)
	a.Plugin, a.Run = c.plugin, c.run
	if err := Settle(s, &inbox.Settlement{Plugin: c.plugin, Attempt: a, Effects: &inbox.Effects{Lane: c.lane, State: change}}); err != nil {
		t.Fatal(err)
	}
}

// clocked returns a new store with n events of one key and a plugin p. Each read of the store's clock is after the one before.
func clocked(t *testing.T, open Open, n int) (s Store, now func() time.Time) {
	t.Helper()
	clock := At(0)
	var mu sync.Mutex
	now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		clock = clock.Add(time.Second)
		return clock
	}
	s = open(t, Options{Now: now})
	Ready(t, s, n)
	return s, now
}

// history returns the changes of a document in the form "change:document".
func history(t *testing.T, s States, id inbox.StateID, f inbox.StateHistory) (list []string) {
	t.Helper()
	err := s.EachStateChange(t.Context(), id, f, func(e *inbox.StateEntry) error {
		if e.Deleted != (e.Size == 0) || e.StateID != id {
			t.Errorf("change %+v", e)
		}
		list = append(list, fmt.Sprintf("%d:%s", e.Change, e.Document))
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return list
}

func aStateDocumentIsReturnedAsItWasAtAChangeASeqAndATime(t *testing.T, open Open) {
	ctx := t.Context()
	s, now := clocked(t, open, 6)
	id := inbox.StateID{Plugin: "p", Lane: OneLane()}
	before := now()
	settleState(t, s, changed{"p", id.Lane, 1, 0, 1, `{"n":1}`})
	settleState(t, s, changed{"p", id.Lane, 3, 0, 2, `{"n":2}`})
	middle := now()
	settleState(t, s, changed{"p", id.Lane, 4, 0, 2, ``})
	j := &inbox.Replay{Plugins: []string{"p"}, Filter: inbox.Filter{Seqs: []int64{1}}}
	if err := s.CreateReplay(ctx, operator, j); err != nil {
		t.Fatal(err)
	}
	settleState(t, s, changed{"p", id.Lane, 1, j.ID, 3, `{"n":4}`}) // a replay changes it last, for an early event
	mustSettle(t, s, &inbox.Settlement{Replay: &inbox.ReplayStep{Replay: j.ID, Plugin: "p", Position: 1, Add: inbox.ReplayCount{OK: 1}, Done: true}})
	for name, c := range map[string]struct {
		at   inbox.StateMoment
		want int64 // 0: none
	}{
		"now":                        {inbox.StateMoment{}, 4},
		"a change":                   {inbox.StateMoment{Change: 2}, 2},
		"a change that is not made":  {inbox.StateMoment{Change: 5}, 0},
		"its first event":            {inbox.StateMoment{Seq: 1}, 1},
		"an event that kept it":      {inbox.StateMoment{Seq: 2}, 1},
		"the event that deleted it":  {inbox.StateMoment{Seq: 4}, 4},
		"an event before the delete": {inbox.StateMoment{Seq: 3}, 2},
		"the newest event":           {inbox.StateMoment{Seq: 6}, 4},
		"a time before":              {inbox.StateMoment{Time: before}, 0},
		"a time between":             {inbox.StateMoment{Time: middle}, 2},
		"a time after":               {inbox.StateMoment{Time: now()}, 4},
	} {
		e, err := s.StateAt(ctx, id, c.at)
		switch {
		case c.want == 0 && (inbox.KindOf(err) != inbox.NotFound || inbox.HintOf(err) == ""):
			t.Errorf("%s: %+v, %v", name, e, err)
		case c.want != 0 && (err != nil || e.Change != c.want):
			t.Errorf("%s: %+v, want change %d, %v", name, e, c.want, err)
		}
	}
	anEntryHasItsChange(t, s, id, before, middle)
	for name, other := range map[string]inbox.StateID{
		"another key": {Plugin: "p", Lane: inbox.LaneID{Mode: inbox.Live, Key: "x"}}, "another mode": {Plugin: "p", Lane: inbox.LaneID{Mode: inbox.Test, Key: id.Lane.Key}},
		"an unknown plugin": {Plugin: "q", Lane: id.Lane},
	} {
		if e, err := s.StateAt(ctx, other, inbox.StateMoment{}); inbox.KindOf(err) != inbox.NotFound {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
}

// anEntryHasItsChange fails unless change 2 is that of event 3, made between two times, and change 3 is a deletion.
func anEntryHasItsChange(t *testing.T, s Store, id inbox.StateID, before, middle time.Time) {
	t.Helper()
	ctx := t.Context()
	event, err := s.Event(ctx, 3)
	if err != nil {
		t.Fatal(err)
	}
	e, err := s.StateAt(ctx, id, inbox.StateMoment{Change: 2})
	same(t, "a change", e, err, &inbox.StateEntry{
		State: inbox.State{Document: []byte(`{"n":2}`), Version: 2}, StateID: id, Change: 2, Seq: 3, EventID: event.ID, Attempt: 1, Size: 7, At: e.At,
	})
	if !e.At.After(before) || !e.At.Before(middle) {
		t.Errorf("it is of %s, not between %s and %s", e.At, before, middle)
	}
	if e, err := s.StateAt(ctx, id, inbox.StateMoment{Change: 3}); err != nil || !e.Deleted || e.Document != nil {
		t.Errorf("the deletion: %+v, %v", e, err)
	}
}

func theChangesOfAStateDocumentAreListedNewestFirst(t *testing.T, open Open) {
	const n = 20 // three chunks with documents
	s := open(t, Options{Fast: true})
	Ready(t, s, n)
	id := inbox.StateID{Plugin: "p", Lane: OneLane()}
	var all, bare []string
	for i := int64(n); i > 0; i-- {
		all, bare = append(all, fmt.Sprintf("%d:[%d]", i, i)), append(bare, fmt.Sprintf("%d:", i))
	}
	for seq := int64(1); seq <= n; seq++ {
		settleState(t, s, changed{"p", id.Lane, seq, 0, 0, fmt.Sprintf("[%d]", seq)})
	}
	same(t, "all", history(t, s, id, inbox.StateHistory{Documents: true}), nil, all)
	same(t, "without documents", history(t, s, id, inbox.StateHistory{}), nil, bare)
	same(t, "a limit", history(t, s, id, inbox.StateHistory{Limit: 3, Documents: true}), nil, all[:3])
	same(t, "a limit of a chunk", history(t, s, id, inbox.StateHistory{Limit: 8, Documents: true}), nil, all[:8])
	same(t, "the page before a change", history(t, s, id, inbox.StateHistory{Before: 18, Limit: 2}), nil, bare[3:5])
	same(t, "another key", history(t, s, inbox.StateID{Plugin: "p", Lane: inbox.LaneID{Mode: inbox.Live, Key: "x"}}, inbox.StateHistory{}), nil, nil)
	failed := fmt.Errorf("stop")
	if err := s.EachStateChange(t.Context(), id, inbox.StateHistory{}, func(*inbox.StateEntry) error { return failed }); err != failed {
		t.Errorf("the error of the caller became %v", err)
	}
}

func stateDocumentsAreListedByFiltersEachWithItsNewestChange(t *testing.T, open Open) {
	ctx := t.Context()
	s, now := clocked(t, open, 8)
	if err := s.Register(ctx, "q", inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	lane := func(mode inbox.Mode, key string) inbox.LaneID { return inbox.LaneID{Mode: mode, Key: key} }
	settleState(t, s, changed{"p", lane(inbox.Live, "a/1"), 1, 0, 1, `1`})
	settleState(t, s, changed{"p", lane(inbox.Live, "a/2"), 2, 0, 1, `2`})
	middle := now()
	settleState(t, s, changed{"p", lane(inbox.Live, "a/1"), 3, 0, 2, `3`})
	settleState(t, s, changed{"p", lane(inbox.Live, "b/1"), 4, 0, 1, `4`})
	settleState(t, s, changed{"p", lane(inbox.Live, "b/2"), 5, 0, 1, `5`})
	settleState(t, s, changed{"p", lane(inbox.Live, "b/2"), 6, 0, 1, ``}) // deleted
	settleState(t, s, changed{"p", lane(inbox.Test, "a/1"), 7, 0, 1, `7`})
	settleState(t, s, changed{"q", lane(inbox.Live, "a/1"), 8, 0, 1, `8`})
	for name, c := range map[string]struct {
		f    inbox.StateFilter
		want []int64 // seqs of the newest changes
	}{
		"all":            {inbox.StateFilter{}, []int64{3, 2, 4, 7, 8}},
		"a plugin":       {inbox.StateFilter{Plugin: "p"}, []int64{3, 2, 4, 7}},
		"a mode":         {inbox.StateFilter{Mode: inbox.Test}, []int64{7}},
		"a prefix":       {inbox.StateFilter{Plugin: "p", Prefix: "a/"}, []int64{3, 2, 7}},
		"a whole key":    {inbox.StateFilter{Prefix: "b/1"}, []int64{4}},
		"a limit":        {inbox.StateFilter{Limit: 4}, []int64{3, 2, 4, 7}},
		"since":          {inbox.StateFilter{Plugin: "p", Since: middle, Mode: inbox.Live}, []int64{3, 4}},
		"until":          {inbox.StateFilter{Until: middle}, []int64{2}},
		"no such prefix": {inbox.StateFilter{Prefix: "c"}, nil},
	} {
		var got []int64
		err := s.EachState(ctx, c.f, func(e *inbox.StateEntry) error {
			got = append(got, e.Seq)
			return nil
		})
		same(t, name, got, err, c.want)
	}
	if err := s.EachState(ctx, inbox.StateFilter{Plugin: "none"}, func(*inbox.StateEntry) error { return nil }); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("an unknown plugin: %v", err)
	}
}

func aTraceHasTheChangesOfStateThatItsAttemptsMade(t *testing.T, open Open) {
	ctx := t.Context()
	s := ready(t, open, 3)
	if err := s.Register(ctx, "q", inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	other := inbox.LaneID{Mode: inbox.Live, Key: "@global"}
	settleState(t, s, changed{"p", OneLane(), 1, 0, 1, `1`})
	settleState(t, s, changed{"q", other, 1, 0, 1, `11`})
	settleState(t, s, changed{"q", other, 2, 0, 1, ``})
	list, err := s.EntityTrace(ctx, inbox.Live, OneLane().Key)
	got := map[string]inbox.StateEntry{}
	for _, tr := range list {
		one, err := s.Trace(ctx, tr.Event.Seq)
		same(t, "the trace of the event", one.Deliveries, err, tr.Deliveries)
		for _, d := range tr.Deliveries {
			for _, c := range d.Changes {
				c.At = time.Time{}
				got[fmt.Sprintf("%s %d", d.Plugin, tr.Event.Seq)] = c
			}
		}
	}
	entry := func(plugin string, lane inbox.LaneID, change, seq int64, size int) inbox.StateEntry {
		return inbox.StateEntry{
			State: inbox.State{Version: 1}, StateID: inbox.StateID{Plugin: plugin, Lane: lane}, Change: change, Seq: seq, EventID: list[seq-1].Event.ID, Attempt: 1,
			Size: size, Deleted: size == 0,
		}
	}
	same(t, "the changes", got, err, map[string]inbox.StateEntry{
		"p 1": entry("p", OneLane(), 1, 1, 1), "q 1": entry("q", other, 1, 1, 2), "q 2": entry("q", other, 2, 2, 0),
	})
}

func theRecordOfAPluginHasTheHighestVersionOfItsState(t *testing.T, open Open) {
	ctx := t.Context()
	s := ready(t, open, 4)
	for i, c := range []struct{ version, want int }{{0, 0}, {2, 2}, {1, 2}, {3, 3}} {
		settleState(t, s, changed{"p", OneLane(), int64(i + 1), 0, c.version, `{}`})
		r, err := s.Record(ctx, "p")
		if err != nil || r.StateVersion != c.want {
			t.Errorf("after version %d: %+v, %v", c.version, r, err)
		}
	}
}
