package storetest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"inbox/inbox"
)

func (w *World) lane(id int) *inbox.Lane {
	w.t.Helper()
	l, err := w.s.Lane(w.ctx, "p", w.Lanes[id].ID)
	if err != nil || l == nil {
		w.t.Fatalf("lane %d: %+v, %v", id, l, err)
	}
	return l
}

func aRetryContinuesAParkedLaneInOrder(t *testing.T, open Open) {
	ctx := t.Context()
	w := NewWorld(t, open(t, Options{}))
	first, second := w.Arrive(1), w.Arrive(1)
	w.Run(1, inbox.Again, false)
	w.Run(1, inbox.Dead, true)
	l := w.lane(1)
	same(t, "the parked lane", l, nil, &inbox.Lane{ID: l.ID, Next: first, State: inbox.LaneParked, Attempt: 2, Counted: 2, Since: l.Since})
	w.Resolve(w.Events[0], 0, inbox.Retried)
	same(t, "the lane after the retry", w.lane(1), nil, &inbox.Lane{ID: l.ID, Next: first, State: inbox.LaneReady, Attempt: 2, Since: l.Since})
	if _, err := w.s.DeadLetter(ctx, "p", first); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("the dead letter: %v", err)
	}
	if err := w.s.Retry(ctx, operator, "p", first, 0); inbox.KindOf(err) != inbox.Conflict || inbox.HintOf(err) == "" {
		t.Errorf("a second retry: %v", err)
	}
	if err := w.s.Retry(ctx, operator, "unknown", first, 0); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("a retry for an unknown plugin: %v", err)
	}
	w.Run(1, inbox.Done, false)
	w.Run(1, inbox.Done, false)
	timeline, err := w.s.EntityTrace(ctx, inbox.Live, l.ID.Key)
	states := map[int64]inbox.DeliveryState{}
	for _, tr := range timeline {
		states[tr.Event.Seq] = tr.Deliveries[0].State
	}
	same(t, "the timeline", states, err, map[int64]inbox.DeliveryState{first: inbox.StateSettled, second: inbox.StateSettled})
	checkAudit(t, w.s, "retry")
	w.Verify()
}

// checkAudit checks that the audit log has one entry, the operator's action.
func checkAudit(t *testing.T, s Upkeep, action string) {
	t.Helper()
	log, err := s.AuditLog(t.Context(), inbox.AuditFilter{Limit: 10})
	if err != nil || len(log) != 1 || log[0].At.IsZero() {
		t.Fatalf("audit %+v, %v", log, err)
	}
	same(t, "audit", log[0], nil, inbox.AuditEntry{At: log[0].At, Actor: operator.Name, Action: action, Target: log[0].Target, Reason: operator.Reason})
}

func aLaneContinuesAfterItsDiscardedEvent(t *testing.T, open Open) {
	ctx := t.Context()
	w := NewWorld(t, open(t, Options{}))
	first := w.Arrive(1)
	w.Arrive(2)
	third := w.Arrive(1)
	w.Run(1, inbox.Dead, true)
	w.Resolve(w.Events[0], 0, inbox.Discarded)
	if l := w.lane(1); l.State != inbox.LaneReady || l.Next != first+1 || l.Attempt != 0 {
		t.Errorf("lane %+v", l)
	}
	// After a discard, next is only a lower bound: here it is the seq of another lane's event.
	if tr, err := w.s.Trace(ctx, third); err != nil || tr.Deliveries[0].State != inbox.StatePending {
		t.Errorf("the event behind it: %+v, %v", tr, err)
	}
	if tr, err := w.s.Trace(ctx, first); err != nil || tr.Deliveries[0].State != inbox.StateDropped {
		t.Errorf("the discarded event: %+v, %v", tr, err)
	}
	w.Verify()
}

func aRetriedDeliveryThatParksNoLaneIsDueAtOnce(t *testing.T, open Open) {
	ctx := t.Context()
	w := NewWorld(t, open(t, Options{}))
	first := w.Arrive(1)
	w.Arrive(1)
	w.Run(1, inbox.Dead, false)
	w.Run(1, inbox.Done, false)
	w.Resolve(w.Events[0], 0, inbox.Retried)
	runs, err := w.s.Runs(ctx, "p", 0)
	if err != nil || len(runs) != 1 || runs[0].Seq != first || runs[0].Run != 0 || runs[0].Replay != 0 || runs[0].Attempt != 1 ||
		runs[0].Counted != 0 || runs[0].DueAt.IsZero() {
		t.Errorf("runs %+v, %v", runs, err)
	}
	w.Verify()
}

func deadLettersAreFilteredByTheirEventsAndCountTheWaitingEvents(t *testing.T, open Open) {
	ctx := t.Context()
	w := NewWorld(t, open(t, Options{}))
	for i := range 12 {
		w.Arrive(i % 3)
	}
	w.Run(0, inbox.Dead, true)  // seq 1; 4, 7 and 10 wait
	w.Run(1, inbox.Dead, false) // seq 2
	w.Run(1, inbox.Dead, false) // seq 5
	w.Run(2, inbox.Dead, true)  // seq 3
	w.Resolve(w.Events[2], 0, inbox.Discarded)
	for name, c := range map[string]struct {
		f    inbox.DeadLetterFilter
		want []int64
	}{
		"open, newest first":     {inbox.DeadLetterFilter{}, []int64{5, 2, 1}},
		"also resolved":          {inbox.DeadLetterFilter{Resolved: true}, []int64{3, 5, 2, 1}},
		"a limit":                {inbox.DeadLetterFilter{Filter: inbox.Filter{Limit: 2}}, []int64{5, 2}},
		"a limit after a status": {inbox.DeadLetterFilter{Filter: inbox.Filter{Limit: 1, Where: []inbox.Condition{{Pointer: "/data/n", Values: []string{"0"}}}}}, []int64{1}},
		"seqs":                   {inbox.DeadLetterFilter{Filter: inbox.Filter{Seqs: []int64{1, 5, 8}}}, []int64{5, 1}},
		"after":                  {inbox.DeadLetterFilter{Filter: inbox.Filter{After: 2}}, []int64{5}},
		"before":                 {inbox.DeadLetterFilter{Filter: inbox.Filter{Before: 2}}, []int64{1}},
		"a key":                  {inbox.DeadLetterFilter{Filter: inbox.Filter{Key: w.Lanes[1].ID.Key}}, []int64{5, 2}},
		"its plugin":             {inbox.DeadLetterFilter{Filter: inbox.Filter{Plugin: "p"}}, []int64{5, 2, 1}},
	} {
		list, err := w.s.DeadLetters(ctx, c.f)
		var got []int64
		for i := range list {
			got = append(got, list[i].Seq)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v, %v", name, got, c.want, err)
		}
		for i := range list {
			if want := map[int64]int64{1: 3}[list[i].Seq]; list[i].Waiting != want || list[i].Reason != "because of reject" || list[i].HostWords != 7 {
				t.Errorf("%s: dead letter %+v", name, list[i])
			}
		}
	}
	if _, err := w.s.DeadLetters(ctx, inbox.DeadLetterFilter{Filter: inbox.Filter{Plugin: "q"}}); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("dead letters of an unknown plugin: %v", err)
	}
}

func eventsBehindADeadLetterAreCountedUnderEveryLaneRule(t *testing.T, open Open) {
	ctx := t.Context()
	for key, want := range map[string]int64{"@global": 9, "@ref/ref-3": 3, "@ptr/x": 0} {
		w := NewWorld(t, open(t, Options{}))
		for i := range 10 {
			w.Arrive(i % 3) // references ref-2, ref-3, ref-4
		}
		seq := int64(1)
		if key == "@ref/ref-3" {
			seq = 2
			want--
		}
		id := inbox.LaneID{Mode: inbox.Live, Key: key}
		w.Lanes[w.Events[seq-1].id].ID = id
		st := w.Attempt(w.Events[seq-1], 0, inbox.Dead)
		st.Dead.Parks = true
		st.Lane.Put = &inbox.Lane{ID: id, Next: seq, State: inbox.LaneParked, Attempt: 1, Counted: 1, Since: w.Now}
		st.Release.LaneRule = map[string]string{"@global": "global key", "@ref/ref-3": "key customer_reference", "@ptr/x": "key /data/x"}[key]
		w.Settle(st)
		list, err := w.s.DeadLetters(ctx, inbox.DeadLetterFilter{})
		if err != nil || len(list) != 1 || list[0].Waiting != want {
			t.Errorf("%s: %+v, want %d waiting, %v", key, list, want, err)
		}
	}
}

func aTraceFindsTheLaneUnderEveryLaneRule(t *testing.T, open Open) {
	ctx := t.Context()
	for _, c := range []struct{ rule, lane string }{
		{"key customer_reference", "@ref/ref-3"}, {"key /data/n", "@ptr/0"}, {"global key", "@global"}, {"none key", "@seq/1"},
	} {
		w := NewWorld(t, open(t, Options{}))
		if value, ok := strings.CutPrefix(c.lane, "@ptr/"); ok {
			c.lane = "@ptr/" + w.s.LaneDigest(value)
		}
		seq := w.Arrive(1)
		later := w.Arrive(1)
		st := w.Attempt(w.Events[0], 0, inbox.Again)
		st.Release.LaneRule = c.rule
		st.Lane.Put = &inbox.Lane{
			ID: inbox.LaneID{Mode: inbox.Live, Key: c.lane}, Next: seq, State: inbox.LaneRetry, DueAt: w.Now, Attempt: 1, Counted: 1, Since: w.Now,
		}
		w.Settle(st)
		tr, err := w.s.Trace(ctx, seq)
		if err != nil || tr.Deliveries[0].State != inbox.StateRetrying || !tr.Deliveries[0].DueAt.Equal(w.Now) {
			t.Errorf("%s: %+v, %v", c.rule, tr, err)
		}
		behind := int64(0)
		if c.lane == "@global" || strings.HasPrefix(c.lane, "@ref/") {
			behind = seq
		}
		if tr, err = w.s.Trace(ctx, later); err != nil || tr.Deliveries[0].Behind != behind {
			t.Errorf("%s, the next event: %+v, %v", c.rule, tr, err)
		}
	}
}

// A trace that used several reads could show an event without its lane and without its attempt, when the event is settled between
// two reads.
func aTraceIsConsistentWhileEventsAreSettled(t *testing.T, open Open) {
	ctx := t.Context()
	w := NewWorld(t, open(t, Options{}))
	const n = 150
	for range n {
		w.Arrive(1)
		w.Arrive(2)
	}
	w.Run(2, inbox.Again, false) // the lane of verification 2 gets a row
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range n {
			w.Run(1, inbox.Done, false) // moves the cursor
			w.Run(2, inbox.Done, false) // moves the lane
		}
	}()
	for running := true; running; {
		select {
		case <-ended:
			running = false
		default:
		}
		for seq := int64(1); seq <= 2*n; seq += 7 {
			tr, err := w.s.Trace(ctx, seq)
			if err != nil || tr.Deliveries[0].State == inbox.StateFiltered {
				t.Fatalf("event %d: %+v, %v", seq, tr, err)
			}
		}
	}
}

func missingRecordsAreNotFound(t *testing.T, open Open) {
	ctx := t.Context()
	w := NewWorld(t, open(t, Options{}))
	for name, do := range map[string]func() error{
		"a trace":        func() error { _, err := w.s.Trace(ctx, 7); return err },
		"a replay":       func() error { _, err := w.s.Replay(ctx, 7); return err },
		"a cancellation": func() error { return w.s.CancelReplay(ctx, operator, 7) },
		"releases":       func() error { _, err := w.s.Releases(ctx, "q"); return err },
		"a pause":        func() error { return w.s.SetPaused(ctx, operator, "q", true) },
		"a count": func() error {
			_, _, _, err := w.s.CountReplay(ctx, inbox.Filter{}, inbox.OnlyAll, []string{"q"})
			return err
		},
		"a filter by plugin": func() error { _, err := w.s.Find(ctx, inbox.Filter{Plugin: "q"}); return err },
	} {
		if err := do(); inbox.KindOf(err) != inbox.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	if tl, err := w.s.EntityTrace(ctx, inbox.Live, "unknown"); err != nil || len(tl) != 0 {
		t.Errorf("a timeline: %+v, %v", tl, err)
	}
}

func theStateOfAPluginAndItsReleasesAreStored(t *testing.T, open Open) {
	ctx := t.Context()
	w := NewWorld(t, open(t, Options{}))
	w.Arrive(1)
	w.Arrive(2)
	w.Run(1, inbox.Again, false)
	first := inbox.Release{ID: "r1", Plugin: "p", Wasm: "abc", Size: 3, Manifest: []byte("x = 1"), CreatedAt: w.Now, Actor: "folder"}
	second := inbox.Release{ID: "r2", Plugin: "p"}
	if err := errors.Join(
		w.s.SaveRelease(ctx, first), w.s.SaveRelease(ctx, first), w.s.SaveRelease(ctx, second),
		w.s.SetLive(ctx, "p", "r2"), w.s.SetPin(ctx, operator, "p", "r1", "files of r2"), w.s.SetPaused(ctx, operator, "p", true),
	); err != nil {
		t.Fatal(err)
	}
	list, err := w.s.Releases(ctx, "p")
	same(t, "releases", list, err, []inbox.Release{second, first})
	onHold := inbox.Health{OnHold: true, Since: w.Now, Reason: "trap", ProbeAt: w.Now}
	probed := onHold
	probed.Probes = 2
	w.Settle(&inbox.Settlement{Health: inbox.HealthChange{Set: &onHold}})
	w.Settle(&inbox.Settlement{Health: inbox.HealthChange{Set: &probed}})
	plugins, err := w.s.Plugins(ctx)
	if err != nil || len(plugins) != 1 || plugins[0].OldestAt.IsZero() {
		t.Fatalf("plugins %+v, %v", plugins, err)
	}
	p := plugins[0]
	same(t, "the plugin", p, nil, inbox.PluginRecord{
		Name: "p", CreatedAt: p.CreatedAt, Cursor: 1, Paused: true, Live: "r2", Pinned: "r1", PinnedOff: "files of r2", LaneRule: "key key", Health: probed,
		Behind: 1, Retrying: 1, OldestAt: p.OldestAt,
	})
	if err := errors.Join(w.s.ResumeHold(ctx, operator, "p"), w.s.Unpin(ctx, "p")); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"the operator ended its hold", "a later result of a probe"} {
		got, err := w.s.Record(ctx, "p")
		same(t, "the plugin after "+when, got, err, &inbox.PluginRecord{Name: "p", CreatedAt: p.CreatedAt, Cursor: 1, Live: "r2", LaneRule: "key key"})
		w.Settle(&inbox.Settlement{Health: inbox.HealthChange{Set: &probed}}) // the probe began before the operator ended the hold
	}
}

func statsReturnTheSizeOfTheStore(t *testing.T, open Open) {
	w := NewWorld(t, open(t, Options{}))
	w.Arrive(1)
	w.Arrive(2)
	st, err := w.s.Stats(t.Context())
	if err != nil || st.Events != 2 || st.FileBytes == 0 || st.FreeBytes == 0 || st.LastAt.Before(st.FirstAt) {
		t.Errorf("stats %+v, %v", st, err)
	}
}
