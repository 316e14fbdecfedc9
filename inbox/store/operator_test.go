package store_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

func (w *world) lane(id int) *inbox.Lane {
	w.t.Helper()
	l, err := w.s.Lane(ctx, "p", w.lanes[id].id)
	if err != nil || l == nil {
		w.t.Fatalf("lane %d: %+v, %v", id, l, err)
	}
	return l
}

func TestARetriedHeadLetsItsLaneGoOnInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, store.Options{})
	first, second := w.arrive(1), w.arrive(1)
	w.run(1, inbox.Again, false)
	w.run(1, inbox.Dead, true)
	if l := w.lane(1); l.State != inbox.LaneParked || l.Next != first || l.Attempt != 2 || l.Tries != 2 {
		t.Fatalf("lane %+v", l)
	}
	w.resolve(w.events[0], 0, inbox.Retried)
	if l := w.lane(1); l.State != inbox.LaneReady || l.Next != first || l.Attempt != 2 || l.Tries != 0 {
		t.Errorf("after the retry: %+v", l)
	}
	if _, err := w.s.Dead(ctx, "p", first); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("the letter: %v", err)
	}
	if err := w.s.Retry(ctx, operator, "p", first, 0); inbox.KindOf(err) != inbox.Conflict || inbox.HintOf(err) == "" {
		t.Errorf("a second retry: %v", err)
	}
	if err := w.s.Retry(ctx, operator, "nobody's", first, 0); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("of an unknown plugin: %v", err)
	}
	w.run(1, inbox.Done, false)
	w.run(1, inbox.Done, false)
	if tr, err := w.s.EntityTrace(ctx, inbox.Live, w.lanes[1].id.Key); err != nil || len(tr) != 2 || tr[1].Event.Seq != second ||
		tr[0].Deliveries[0].State != inbox.StateSettled || tr[1].Deliveries[0].State != inbox.StateSettled {
		t.Errorf("timeline %+v, %v", tr, err)
	}
	log, err := w.s.AuditLog(ctx, inbox.AuditFilter{Limit: 10})
	if err != nil || len(log) != 1 || log[0].Action != "retry" || log[0].Actor != "operator" || log[0].Reason != "test" || log[0].At.IsZero() {
		t.Errorf("audit %+v, %v", log, err)
	}
	w.verify()
}

func TestADiscardedHeadIsSteppedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, store.Options{})
	first := w.arrive(1)
	w.arrive(2)
	third := w.arrive(1)
	w.run(1, inbox.Dead, true)
	w.resolve(w.events[0], 0, inbox.Discarded)
	if l := w.lane(1); l.State != inbox.LaneReady || l.Next != first+1 || l.Attempt != 0 {
		t.Errorf("lane %+v", l)
	}
	// next is only a lower bound now, of another lane's event
	if tr, err := w.s.Trace(ctx, third); err != nil || tr.Deliveries[0].State != inbox.StatePending {
		t.Errorf("the event behind it: %+v, %v", tr, err)
	}
	if tr, err := w.s.Trace(ctx, first); err != nil || tr.Deliveries[0].State != inbox.StateDropped {
		t.Errorf("the discarded event: %+v, %v", tr, err)
	}
	w.verify()
}

func TestARetriedDeliveryWhoseLaneWentOnIsDueAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, store.Options{})
	first := w.arrive(1)
	w.arrive(1)
	w.run(1, inbox.Dead, false)
	w.run(1, inbox.Done, false)
	w.resolve(w.events[0], 0, inbox.Retried)
	runs, err := w.s.Runs(ctx, "p", 0)
	if err != nil || len(runs) != 1 || runs[0].Seq != first || runs[0].Run != 0 || runs[0].Job != 0 || runs[0].Attempt != 1 ||
		runs[0].Tries != 0 || runs[0].DueAt.IsZero() {
		t.Errorf("runs %+v, %v", runs, err)
	}
	w.verify()
}

func TestADiskThatFailsIsNotTakenForALivingDelivery(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	w := newWorld(t, store.Faulty(store.Options{}, func(point string) error {
		if broken.Load() && point == "query" {
			return store.WriteFails
		}
		return nil
	}))
	w.arrive(1)
	w.run(1, inbox.Dead, true)
	broken.Store(true)
	err := w.s.Retry(ctx, operator, "p", 1, 0)
	broken.Store(false)
	if inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("retry on a failing disk: %v", err)
	}
	w.resolve(w.events[0], 0, inbox.Retried)
	w.verify()
}

func TestLettersAreChosenByTheirEventsAndCountWhatWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, store.Options{})
	for i := range 12 {
		w.arrive(i % 3)
	}
	w.run(0, inbox.Dead, true)  // seq 1; 4, 7 and 10 wait
	w.run(1, inbox.Dead, false) // seq 2
	w.run(1, inbox.Dead, false) // seq 5
	w.run(2, inbox.Dead, true)  // seq 3
	w.resolve(w.events[2], 0, inbox.Discarded)
	for name, c := range map[string]struct {
		f    store.LetterFilter
		want []int64
	}{
		"open ones, newest death first": {store.LetterFilter{}, []int64{5, 2, 1}},
		"also resolved ones":            {store.LetterFilter{Resolved: true}, []int64{3, 5, 2, 1}},
		"a limit":                       {store.LetterFilter{Filter: inbox.Filter{Limit: 2}}, []int64{5, 2}},
		"a limit after a status":        {store.LetterFilter{Filter: inbox.Filter{Limit: 1, Where: []inbox.Condition{{Pointer: "/data/n", Values: []string{"0"}}}}}, []int64{1}},
		"seqs":                          {store.LetterFilter{Filter: inbox.Filter{Seqs: []int64{1, 5, 8}}}, []int64{5, 1}},
		"after":                         {store.LetterFilter{Filter: inbox.Filter{After: 2}}, []int64{5}},
		"before":                        {store.LetterFilter{Filter: inbox.Filter{Before: 2}}, []int64{1}},
		"a key":                         {store.LetterFilter{Filter: inbox.Filter{Key: w.lanes[1].id.Key}}, []int64{5, 2}},
		"its plugin":                    {store.LetterFilter{Filter: inbox.Filter{Plugin: "p"}}, []int64{5, 2, 1}},
	} {
		list, err := w.s.Letters(ctx, c.f)
		var got []int64
		for i := range list {
			got = append(got, list[i].Seq)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v, %v", name, got, c.want, err)
		}
		for i := range list {
			if want := map[int64]int64{1: 3}[list[i].Seq]; list[i].Waiting != want || list[i].Reason != "because of reject" || list[i].HostWords != 7 {
				t.Errorf("%s: letter %+v", name, list[i])
			}
		}
	}
	if _, err := w.s.Letters(ctx, store.LetterFilter{Filter: inbox.Filter{Plugin: "q"}}); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("letters of an unknown plugin: %v", err)
	}
}

func TestWhatWaitsBehindALetterIsCountedWhateverMakesTheLane(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]int64{"@global": 9, "@ref/ref-3": 3, "@ptr/x": 0} {
		w := newWorld(t, store.Options{})
		for i := range 10 {
			w.arrive(i % 3) // references ref-2, ref-3, ref-4
		}
		seq := int64(1)
		if key == "@ref/ref-3" {
			seq = 2
			want--
		}
		id := inbox.LaneID{Mode: inbox.Live, Key: key}
		w.lanes[w.events[seq-1].id].id = id
		st := w.attempt(w.events[seq-1], 0, inbox.Dead)
		st.Dead.Parks = true
		st.Lane = &inbox.Lane{ID: id, Next: seq, State: inbox.LaneParked, Attempt: 1, Tries: 1, Since: w.now}
		st.Keying = map[string]string{"@global": "global key", "@ref/ref-3": "key customer_reference", "@ptr/x": "key /data/x"}[key]
		w.settle(st)
		list, err := w.s.Letters(ctx, store.LetterFilter{})
		if err != nil || len(list) != 1 || list[0].Waiting != want {
			t.Errorf("%s: %+v, want %d waiting, %v", key, list, want, err)
		}
	}
}

func TestALaneMadeByAnythingIsFoundInATrace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ keying, lane string }{
		{"key customer_reference", "@ref/ref-3"}, {"key /data/n", "@ptr/0"}, {"global key", "@global"}, {"none key", "@seq/1"},
	} {
		w := newWorld(t, store.Options{})
		if value, ok := strings.CutPrefix(c.lane, "@ptr/"); ok {
			c.lane = "@ptr/" + w.s.LaneDigest(value)
		}
		seq := w.arrive(1)
		later := w.arrive(1)
		st := w.attempt(w.events[0], 0, inbox.Again)
		st.Keying = c.keying
		st.Lane = &inbox.Lane{
			ID: inbox.LaneID{Mode: inbox.Live, Key: c.lane}, Next: seq, State: inbox.LaneRetry, DueAt: w.now, Attempt: 1, Tries: 1, Since: w.now,
		}
		w.settle(st)
		tr, err := w.s.Trace(ctx, seq)
		if err != nil || tr.Deliveries[0].State != inbox.StateRetrying || !tr.Deliveries[0].DueAt.Equal(w.now) {
			t.Errorf("%s: %+v, %v", c.keying, tr, err)
		}
		behind := int64(0)
		if c.lane == "@global" || strings.HasPrefix(c.lane, "@ref/") {
			behind = seq
		}
		if tr, err = w.s.Trace(ctx, later); err != nil || tr.Deliveries[0].Behind != behind {
			t.Errorf("%s, the next: %+v, %v", c.keying, tr, err)
		}
	}
}

// Read piece by piece, an event that is settled between two reads would have no lane any more and no attempt yet.
func TestATraceNeverShowsAnEventBetweenTwoMoments(t *testing.T) {
	t.Parallel()
	w := newWorld(t, store.Options{})
	n := long(30, 150, 150)
	for range n {
		w.arrive(1)
		w.arrive(2)
	}
	w.run(2, inbox.Again, false) // verification 2 lags
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range n {
			w.run(1, inbox.Done, false) // moves the cursor
			w.run(2, inbox.Done, false) // moves the lane
		}
	}()
	for running := true; running; {
		select {
		case <-ended:
			running = false
		default:
		}
		for seq := int64(1); seq <= int64(2*n); seq += 7 {
			tr, err := w.s.Trace(ctx, seq)
			if err != nil || tr.Deliveries[0].State == inbox.StateFiltered {
				t.Fatalf("event %d: %+v, %v", seq, tr, err)
			}
		}
	}
}

func TestADamagedReasonIsShownAsDamagedAndHidesNothingElse(t *testing.T) {
	t.Parallel()
	dir := inboxtest.Dir(t)
	s, done := serve(t, store.Options{Dir: dir})
	w := worldOf(t, s)
	w.arrive(1)
	w.run(1, inbox.Dead, true)
	done()
	store.Exec(t, dir, `UPDATE contents SET bytes = x'00' WHERE kind = 4`)
	s, err := store.Open(ctx, store.Options{Dir: dir, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tr, err := s.Trace(ctx, 1)
	if err != nil || tr.Deliveries[0].State != inbox.StateDead || !strings.Contains(tr.Deliveries[0].Attempts[0].Reason, "damaged") ||
		string(tr.Deliveries[0].Attempts[0].Log) != "log" {
		t.Errorf("trace %+v, %v", tr, err)
	}
	list, err := s.Letters(ctx, store.LetterFilter{})
	if err != nil || len(list) != 1 || !strings.Contains(list[0].Reason, "damaged") {
		t.Errorf("letters %+v, %v", list, err)
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, store.Options{})
	for name, do := range map[string]func() error{
		"a trace":        func() error { _, err := w.s.Trace(ctx, 7); return err },
		"a replay":       func() error { _, err := w.s.Job(ctx, 7); return err },
		"cancelling one": func() error { return w.s.CancelJob(ctx, operator, 7) },
		"releases":       func() error { _, err := w.s.Releases(ctx, "q"); return err },
		"pausing":        func() error { return w.s.SetPaused(ctx, operator, "q", true) },
		"a count": func() error {
			_, _, _, err := w.s.CountJob(ctx, inbox.Filter{}, inbox.OnlyAll, []string{"q"})
			return err
		},
		"attempted by": func() error { _, err := w.s.Find(ctx, inbox.Filter{Plugin: "q"}); return err },
	} {
		if err := do(); inbox.KindOf(err) != inbox.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	if tl, err := w.s.EntityTrace(ctx, inbox.Live, "nobody"); err != nil || len(tl) != 0 {
		t.Errorf("a timeline: %+v, %v", tl, err)
	}
}

func TestAPluginIsSteeredAndItsReleasesAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, store.Options{})
	w.arrive(1)
	w.arrive(2)
	w.run(1, inbox.Again, false)
	release := inbox.Release{ID: "r1", Plugin: "p", Wasm: "abc", Size: 3, Manifest: []byte("x = 1"), CreatedAt: w.now, Actor: "folder"}
	for _, err := range []error{
		w.s.SaveRelease(ctx, release), w.s.SaveRelease(ctx, release), w.s.SaveRelease(ctx, inbox.Release{ID: "r2", Plugin: "p"}),
		w.s.SetLive(ctx, "p", "r2"), w.s.SetPin(ctx, operator, "p", "r1", "files of r2"), w.s.SetPaused(ctx, operator, "p", true),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	w.settle(&inbox.Settlement{Health: &inbox.Health{OnHold: true, Since: w.now, Reason: "trap", ProbeAt: w.now}})
	probed := &inbox.Settlement{Health: &inbox.Health{OnHold: true, Since: w.now, Reason: "trap", ProbeAt: w.now, Probes: 2}}
	w.settle(probed)
	list, err := w.s.Plugins(ctx)
	if err != nil || len(list) != 1 {
		t.Fatalf("plugins %+v, %v", list, err)
	}
	p := list[0]
	if !p.Paused || p.Live != "r2" || p.Pinned != "r1" || p.PinnedOff != "files of r2" || !p.Health.OnHold || p.Health.Probes != 2 ||
		p.Behind != 1 || p.Retrying != 1 || p.OldestAt.IsZero() || p.Keying != "key key" {
		t.Errorf("plugin %+v", p)
	}
	if err := errors.Join(w.s.ResumeHold(ctx, operator, "p"), w.s.Unpin(ctx, "p")); err != nil {
		t.Fatal(err)
	}
	if one, _, err := w.s.Load(ctx, "p"); err != nil || one.Health.OnHold || one.Paused || one.Pinned != "" {
		t.Errorf("plugin %+v, %v", one, err)
	}
	w.settle(probed) // it was under way when the operator ended the hold
	if one, _, err := w.s.Load(ctx, "p"); err != nil || one.Health.OnHold || one.Health.Probes != 0 {
		t.Errorf("a probe of a hold that was ended holds again: %+v, %v", one.Health, err)
	}
	rs, err := w.s.Releases(ctx, "p")
	if err != nil || len(rs) != 2 || rs[0].ID != "r2" || string(rs[1].Manifest) != "x = 1" || !rs[1].CreatedAt.Equal(w.now) {
		t.Errorf("releases %+v, %v", rs, err)
	}
	if st, err := w.s.Stats(ctx); err != nil || st.Events != 2 || st.FileBytes == 0 || st.FreeBytes == 0 || st.LastAt.Before(st.FirstAt) {
		t.Errorf("stats %+v, %v", st, err)
	}
}
