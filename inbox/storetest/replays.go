package storetest

import (
	"fmt"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

func anInvalidReplayIsRejectedAndNotStored(t *testing.T, open Open) {
	ctx := t.Context()
	w := NewWorld(t, open(t, Options{}))
	w.Arrive(1)
	for name, c := range map[string]struct {
		job  inbox.Replay
		kind inbox.Kind
	}{
		"without a plugin":     {inbox.Replay{}, inbox.Invalid},
		"with a negative rate": {inbox.Replay{Plugins: []string{"p"}, Rate: -1}, inbox.Invalid},
		"of an unknown only":   {inbox.Replay{Plugins: []string{"p"}, Only: "some"}, inbox.Invalid},
		"of an unknown plugin": {inbox.Replay{Plugins: []string{"q"}}, inbox.NotFound},
		"of no event":          {inbox.Replay{Plugins: []string{"p"}, Filter: inbox.Filter{Events: []string{"none"}}}, inbox.NotFound},
	} {
		if err := w.s.CreateReplay(ctx, operator, &c.job); inbox.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	if replays, err := w.s.Replays(ctx, ""); err != nil || len(replays) != 0 {
		t.Errorf("stored %+v, %v", replays, err)
	}
}

func aReplayIsBoundedByItsLimitAndByTheLogAtItsCreation(t *testing.T, open Open) {
	ctx := t.Context()
	w := NewWorld(t, open(t, Options{}))
	for i := range 9 {
		w.Arrive(i % 3)
	}
	j := &inbox.Replay{Plugins: []string{"p", "p"}, Filter: inbox.Filter{Key: w.Lanes[1].ID.Key, Limit: 2, Newest: true}, Rate: 5}
	if err := w.s.CreateReplay(ctx, inbox.Actor{Name: "a", Reason: "why"}, j); err != nil {
		t.Fatal(err)
	}
	stored, err := w.s.Replay(ctx, j.ID)
	want := &inbox.Replay{
		ID: j.ID, CreatedAt: j.CreatedAt, Actor: "a", Reason: "why", Filter: j.Filter, Only: inbox.OnlyAll, Plugins: []string{"p"}, Upto: 5, Rate: 5, Matched: 2, Effects: inbox.SendEffects,
		State: inbox.ReplayRunning, Parts: []inbox.ReplayPart{{Replay: j.ID, Plugin: "p", Position: 1}},
	}
	same(t, "the created replay", j, nil, want)
	same(t, "the stored replay", stored, err, want)
	if j.ID == 0 || j.CreatedAt.IsZero() {
		t.Errorf("replay %+v", j)
	}
	w.Arrive(1)
	for after, want := range map[int64][]int64{1: {2, 5}, 5: nil} {
		events, upto, err := w.s.Match(ctx, j, "p", after, 100)
		same(t, fmt.Sprintf("events after %d", after), seqsOf(events), err, want)
		same(t, fmt.Sprintf("the end of the search for events after %d", after), upto, nil, 5)
	}
}

func aCancelledReplayDropsWaitingRunsAndKeepsAttempts(t *testing.T, open Open) {
	ctx := t.Context()
	w := NewWorld(t, open(t, Options{}))
	w.Arrive(1)
	w.Arrive(1)
	w.Arrive(2)
	w.Run(1, inbox.Done, false)
	w.Run(1, inbox.Dead, true)
	w.Run(2, inbox.Done, false)
	j := &inbox.Replay{Plugins: []string{"p"}}
	if err := w.s.CreateReplay(ctx, operator, j); err != nil {
		t.Fatal(err)
	}
	w.replayOne(j, w.Events[0], inbox.Done) // waits behind the parked lane
	w.replayOne(j, w.Events[2], inbox.Again)
	if tr, err := w.s.Trace(ctx, 1); err != nil || tr.Deliveries[0].State != inbox.StateWaiting || tr.Deliveries[0].Behind != 2 {
		t.Errorf("the waiting run: %+v, %v", tr, err)
	}
	if err := w.s.CancelReplay(ctx, operator, j.ID); err != nil {
		t.Fatal(err)
	}
	if err := w.s.CancelReplay(ctx, operator, j.ID); inbox.KindOf(err) != inbox.Conflict {
		t.Errorf("cancelled a second time: %v", err)
	}
	got, err := w.s.Replay(ctx, j.ID)
	if err != nil || got.State != inbox.ReplayCancelled || got.FinishedAt.IsZero() || got.Parts[0].Waiting != 0 || got.Parts[0].Position != 1 {
		t.Errorf("replay %+v, %v", got, err)
	}
	clear(w.Events[0].Runs)
	clear(w.Events[2].Runs)
	w.Verify()
}

func onlyFailedSelectsByTheNewestAttemptNotByTheNewestReplay(t *testing.T, open Open) {
	ctx := t.Context()
	w := NewWorld(t, open(t, Options{}))
	w.Arrive(1)
	d := w.Events[0]
	w.Run(1, inbox.Done, false)
	j := w.Replay(inbox.OnlyAll, func() inbox.Fate { return inbox.Dead })
	count := func() int64 {
		n, _, _, err := w.s.CountReplay(ctx, inbox.Filter{}, inbox.OnlyFailed, []string{"p"})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count(); n != 1 {
		t.Errorf("%d failed after a replay that died", n)
	}
	w.Resolve(d, j.ID, inbox.Retried)
	if n := count(); n != 0 {
		t.Errorf("%d failed while a retry is due", n)
	}
	w.Continue(d, d.Runs[j.ID], inbox.Again)
	w.Continue(d, d.Runs[j.ID], inbox.Dead)
	w.Resolve(d, j.ID, inbox.Discarded)
	if n := count(); n != 1 {
		t.Errorf("%d failed after the retry was discarded", n)
	}
	// An older run is retried after newer runs.
	w.Arrive(2)
	e := w.Events[1]
	w.Run(2, inbox.Dead, false)
	w.Resolve(e, 0, inbox.Discarded)
	second := w.Replay(inbox.OnlyFailed, func() inbox.Fate { return inbox.Dead })
	w.Resolve(e, second.ID, inbox.Retried)
	third := &inbox.Replay{Plugins: []string{"p"}, Filter: inbox.Filter{Seqs: []int64{2}}}
	if err := w.s.CreateReplay(ctx, operator, third); err != nil {
		t.Fatal(err)
	}
	w.Settle(w.Attempt(e, third.ID, inbox.Dead))
	e.deadLetters[third.ID] = false
	w.Continue(e, e.Runs[second.ID], inbox.Done)
	if n := count(); n != 1 { // only the first event
		t.Errorf("%d failed although the newest attempt of the second event is ok", n)
	}
}

func aReplayOfManyEventsIsCountedAndMatchedInChunks(t *testing.T, open Open) {
	ctx := t.Context()
	s := open(t, Options{Fast: true})
	const n = 5600 // two chunks
	inboxtest.Fill(t, s, n)
	NewWorld(t, s).Settle(inboxtest.Settled("p", 5300))
	for name, c := range map[string]struct {
		f    inbox.Filter
		only inbox.Only
		want int64
	}{
		"all":             {inbox.Filter{}, inbox.OnlyAll, n},
		"missing":         {inbox.Filter{}, inbox.OnlyMissing, n - 1},
		"failed":          {inbox.Filter{}, inbox.OnlyFailed, 0},
		"a limit":         {inbox.Filter{Limit: 5400}, inbox.OnlyMissing, 5400},
		"a status":        {inbox.Filter{Statuses: []string{"unknown"}}, inbox.OnlyAll, n},
		"a distant event": {inbox.Filter{Plugin: "p"}, inbox.OnlyAll, 1},
		"a reference":     {inbox.Filter{CustomerReference: "ref-3"}, inbox.OnlyAll, 800},
		"an empty range":  {inbox.Filter{After: 3000, Before: 3001}, inbox.OnlyAll, 0},
	} {
		matched, first, last, err := s.CountReplay(ctx, c.f, c.only, []string{"p"})
		if err != nil || matched != c.want || (first == nil) != (c.want == 0) {
			t.Errorf("%s: %d, %+v, %v", name, matched, first, err)
			continue
		}
		if c.want == 0 {
			continue
		}
		found := matchAll(t, s, &inbox.Replay{Filter: c.f, Only: c.only, Upto: last.Seq}, name)
		if found != c.want {
			t.Errorf("%s: %d matched, want %d", name, found, c.want)
		}
	}
}

// matchAll returns the number of events that Match returns for a replay, in chunks.
func matchAll(t *testing.T, s Matches, j *inbox.Replay, name string) (found int64) {
	t.Helper()
	for at := int64(0); at < j.Upto; {
		events, upto, err := s.Match(t.Context(), j, "p", at, 900)
		if err != nil || upto <= at || len(events) > 0 && (events[0].Seq <= at || events[len(events)-1].Seq > upto) {
			t.Fatalf("%s after %d: %d events up to %d, %v", name, at, len(events), upto, err)
		}
		found, at = found+int64(len(events)), upto
	}
	return found
}
