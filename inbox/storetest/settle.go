package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

// At returns a time with the precision of the store.
func At(seconds int64) time.Time { return time.UnixMilli(1_700_000_000_000 + seconds*1000).UTC() }

// Settle submits a settlement and waits until it is durable or has failed.
func Settle(s Settler, st *inbox.Settlement) error {
	st.Term = s.Term()
	answer := make(chan error, 1)
	if err := s.Settle(context.Background(), st, func(err error) { answer <- err }); err != nil {
		return err
	}
	return <-answer
}

func mustSettle(t *testing.T, s Store, st *inbox.Settlement) {
	t.Helper()
	st.Plugin = "p"
	if err := Settle(s, st); err != nil {
		t.Fatal(err)
	}
}

// Ready stores n events of one key, and registers a plugin p that starts with the first event.
func Ready(t *testing.T, s Store, n int) {
	t.Helper()
	for i := range n {
		inboxtest.Accept(t, s, inboxtest.Body(1, i))
	}
	if err := s.Register(t.Context(), "p", inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
}

// ready returns a new store after [Ready].
func ready(t *testing.T, open Open, n int) Store {
	t.Helper()
	s := open(t, Options{})
	Ready(t, s, n)
	return s
}

// Attempt returns a counted attempt of an event's first run.
func Attempt(seq int64, number int, result inbox.Result, fate inbox.Fate) *inbox.Attempt {
	return &inbox.Attempt{
		Plugin: "p", Seq: seq, Number: number, Result: result, Fate: fate, Counted: true, StartedAt: At(seq),
		Duration: 1234 * time.Microsecond,
	}
}

// OneLane returns the lane of the events that [Ready] stores.
func OneLane() inbox.LaneID { return inbox.LaneID{Mode: inbox.Live, Key: "qoreid/workflow/1"} }

func anAttemptIsStoredWithItsReasonAndLog(t *testing.T, open Open) {
	ctx := t.Context()
	s := ready(t, open, 1)
	if err := s.SaveRelease(ctx, inbox.Release{ID: "r1", Plugin: "p", Wasm: "00", CreatedAt: At(0)}); err != nil {
		t.Fatal(err)
	}
	a := Attempt(1, 1, inbox.OK, inbox.Done)
	a.Release, a.Reason, a.HostWords, a.Log, a.LogCut, a.Fuel = "r1", "it went well", 7, []byte("line\nline"), true, 1<<40
	mustSettle(t, s, &inbox.Settlement{Attempt: a, Position: inbox.PositionChange{Cursor: 1}})
	tr, err := s.Trace(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*a, tr.Deliveries[0].Attempts[0]); diff != "" {
		t.Error(diff)
	}
	again := Attempt(1, 1, inbox.OK, inbox.Done)
	if err := Settle(s, &inbox.Settlement{Plugin: "p", Attempt: again}); err == nil {
		t.Error("the same attempt was recorded twice")
	}
}

func aLaneIsStoredMovedUncountedAndDeleted(t *testing.T, open Open) {
	ctx := t.Context()
	s := ready(t, open, 3)
	want := inbox.Lane{ID: OneLane(), Next: 1, State: inbox.LaneRetry, DueAt: At(60), Attempt: 1, Counted: 1, Since: At(1)}
	mustSettle(t, s, &inbox.Settlement{Attempt: Attempt(1, 1, inbox.Trap, inbox.Again), Position: inbox.PositionChange{Cursor: 1}, Lane: inbox.LaneChange{Put: &want}})
	check := func(state string, want *inbox.Lane) {
		t.Helper()
		got, err := s.Lane(ctx, "p", OneLane())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", state, diff)
		}
		lanes := 0
		err = s.EachLane(ctx, "p", func(inbox.LaneID, inbox.LaneState) { lanes++ })
		if err != nil || (want == nil) != (lanes == 0) {
			t.Errorf("%s: %d lanes, %v", state, lanes, err)
		}
	}
	check("stored", &want)
	mustSettle(t, s, &inbox.Settlement{Health: inbox.HealthChange{Uncount: []inbox.Failure{{Lane: OneLane(), Seq: 2}, {Lane: OneLane(), Seq: 1}, {Lane: OneLane(), Seq: 1}}}})
	want.Counted = 0
	check("uncounted once, not below zero and not for another event", &want)
	moved := inbox.Lane{ID: OneLane(), Next: 2, State: inbox.LaneReady, Since: At(99)}
	mustSettle(t, s, &inbox.Settlement{Attempt: Attempt(1, 2, inbox.OK, inbox.Done), Lane: inbox.LaneChange{Put: &moved}})
	moved.Since = want.Since // since the lane got its row
	check("moved", &moved)
	gone := OneLane()
	mustSettle(t, s, &inbox.Settlement{Lane: inbox.LaneChange{Gone: &gone}})
	check("deleted", nil)
}

func theCursorAndTheHoldAreStoredAndTheCursorNeverDecreases(t *testing.T, open Open) {
	ctx := t.Context()
	s := ready(t, open, 5)
	h := inbox.Health{OnHold: true, Reason: "trap", Since: At(1), ProbeAt: At(6), Probes: 2}
	first := h
	first.Probes = 0
	mustSettle(t, s, &inbox.Settlement{Health: inbox.HealthChange{Set: &first}})
	mustSettle(t, s, &inbox.Settlement{Position: inbox.PositionChange{Cursor: 4}, Release: inbox.ReleaseChange{LaneRule: "key/key"}, Health: inbox.HealthChange{Set: &h}})
	mustSettle(t, s, &inbox.Settlement{Position: inbox.PositionChange{Cursor: 2}})
	p, err := s.Record(ctx, "p")
	if err != nil || p.Cursor != 4 || p.LaneRule != "key/key" {
		t.Errorf("%+v, %v", p, err)
	}
	if diff := cmp.Diff(h, p.Health); diff != "" {
		t.Error(diff)
	}
	mustSettle(t, s, &inbox.Settlement{Health: inbox.HealthChange{Set: &inbox.Health{}}})
	if p, err = s.Record(ctx, "p"); err != nil || p.Health.OnHold || p.Health.Reason != "" || !p.Health.ProbeAt.IsZero() {
		t.Errorf("after the hold: %+v, %v", p.Health, err)
	}
}

// park settles event 1 as dead and parks its lane.
func park(t *testing.T, s Store) {
	t.Helper()
	mustSettle(t, s, &inbox.Settlement{
		Attempt: Attempt(1, 1, inbox.Reject, inbox.Dead), Position: inbox.PositionChange{Cursor: 3},
		Lane: inbox.LaneChange{Put: &inbox.Lane{ID: OneLane(), Next: 1, State: inbox.LaneParked, Attempt: 1, Counted: 1, Since: At(1)}},
		Dead: &inbox.DeadLetter{Seq: 1, Attempt: 1, Lane: OneLane(), Parks: true, Result: inbox.Reject, DiedAt: At(2)},
	})
}

func aDeadLetterIsFoundAndResolved(t *testing.T, open Open) {
	ctx := t.Context()
	s := ready(t, open, 3)
	park(t, s)
	want := &inbox.DeadLetter{Plugin: "p", Seq: 1, Attempt: 1, Lane: OneLane(), Parks: true, Result: inbox.Reject, DiedAt: At(2)}
	got, err := s.DeadLetter(ctx, "p", 1)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%s, %v", diff, err)
	}
	if _, err := s.DeadLetter(ctx, "p", 2); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("the dead letter of a delivery that is not dead: %v", err)
	}
	mustSettle(t, s, &inbox.Settlement{
		Dead: &inbox.DeadLetter{Seq: 1, Resolution: inbox.Retried}, // without its attempt
		Lane: inbox.LaneChange{Put: &inbox.Lane{ID: OneLane(), Next: 1, State: inbox.LaneReady, Attempt: 1}},
	})
	if _, err := s.DeadLetter(ctx, "p", 1); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("the dead letter after it was resolved: %v", err)
	}
}

func runsWaitBehindALaneUntilItIsDeleted(t *testing.T, open Open) {
	ctx := t.Context()
	s := ready(t, open, 3)
	park(t, s)
	j := &inbox.Replay{Plugins: []string{"p"}, Rate: 1}
	if err := s.CreateReplay(ctx, inbox.Actor{Name: "test"}, j); err != nil {
		t.Fatal(err)
	}
	for _, seq := range []int64{3, 2} {
		mustSettle(t, s, &inbox.Settlement{
			Run: inbox.RunChange{Put: runOfReplay(j.ID, seq, true)}, Replay: &inbox.ReplayStep{Replay: j.ID, Plugin: "p", Position: seq, Add: inbox.ReplayCount{Waiting: 1}},
		})
	}
	same(t, "due while they wait", dueSeqs(t, s), nil, nil)
	seqs, err := s.SettledAbove(ctx, "p", j.ID, 1)
	same(t, "settled in the replay", seqs, err, []int64{2, 3})
	seqs, err = s.SettledAbove(ctx, "p", 0, 0)
	same(t, "settled by first runs", seqs, err, []int64{1})
	gone := OneLane()
	mustSettle(t, s, &inbox.Settlement{Lane: inbox.LaneChange{Gone: &gone}, Dead: &inbox.DeadLetter{Seq: 1, Resolution: inbox.Discarded}})
	same(t, "due after the lane was deleted", dueSeqs(t, s), nil, []int64{2, 3})
	replays, err := s.Replays(ctx, "p")
	if err != nil || len(replays) != 1 {
		t.Fatalf("%+v, %v", replays, err)
	}
	same(t, "the replay's part", replays[0].Parts, nil, []inbox.ReplayPart{{Replay: j.ID, Plugin: "p", Position: 3}})
	endRuns(t, s, j.ID)
	all, err := s.Replays(ctx, "")
	if err != nil || len(all) != 1 || all[0].State != inbox.ReplayDone {
		t.Fatalf("%+v, %v", all, err)
	}
	same(t, "the replay's part at its end", all[0].Parts, nil,
		[]inbox.ReplayPart{{Replay: j.ID, Plugin: "p", Position: 3, ReplayCount: inbox.ReplayCount{OK: 1, Dead: 1}, Done: true}})
}

// runOfReplay returns the run of an event in a replay.
func runOfReplay(replay, seq int64, waits bool) *inbox.Run {
	return &inbox.Run{Plugin: "p", Seq: seq, Run: replay, Replay: replay, Lane: OneLane(), Waits: waits, DueAt: At(seq)}
}

// dueSeqs returns the seqs of the events whose runs are due, sorted.
func dueSeqs(t *testing.T, s Runs) (seqs []int64) {
	t.Helper()
	due, err := s.Runs(t.Context(), "p", 0)
	for i := range due {
		if due[i].Waits || time.Since(due[i].DueAt) > time.Minute {
			t.Errorf("run %+v", due[i])
		}
		seqs = append(seqs, due[i].Seq)
	}
	if err != nil {
		t.Error(err)
	}
	slices.Sort(seqs)
	return seqs
}

// endRuns ends the runs of a replay: event 2 is ok, and its settlement marks the replay as done. Event 3 is dead.
func endRuns(t *testing.T, s Store, replay int64) {
	t.Helper()
	mustSettle(t, s, &inbox.Settlement{
		Attempt: &inbox.Attempt{Seq: 2, Run: replay, Number: 1, Result: inbox.OK, Fate: inbox.Done}, Run: inbox.RunChange{Gone: runOfReplay(replay, 2, false)},
		Replay: &inbox.ReplayStep{Replay: replay, Plugin: "p", Add: inbox.ReplayCount{OK: 1}, Done: true},
	})
	same(t, "due after the run of event 2 has ended", dueSeqs(t, s), nil, []int64{3})
	running, err := s.Replays(t.Context(), "p")
	same(t, "running replays", running, err, nil)
	mustSettle(t, s, &inbox.Settlement{
		Attempt: &inbox.Attempt{Seq: 3, Run: replay, Number: 1, Result: inbox.Trap, Fate: inbox.Dead}, Run: inbox.RunChange{Gone: runOfReplay(replay, 3, false)},
		Dead:   &inbox.DeadLetter{Seq: 3, Run: replay, Attempt: 1, Lane: OneLane(), Result: inbox.Trap, DiedAt: At(3)},
		Replay: &inbox.ReplayStep{Replay: replay, Plugin: "p", Add: inbox.ReplayCount{Dead: 1}},
	})
}

func aSettlementBeyondTheLogFails(t *testing.T, open Open) {
	s := ready(t, open, 3)
	for name, st := range map[string]*inbox.Settlement{
		"a cursor":   {Position: inbox.PositionChange{Cursor: 4}},
		"an attempt": {Attempt: Attempt(4, 1, inbox.OK, inbox.Done)},
		"a run":      {Run: inbox.RunChange{Put: &inbox.Run{Seq: 4, Run: 1, Lane: OneLane(), DueAt: At(1)}}},
	} {
		st.Plugin = "p"
		if err := Settle(s, st); inbox.KindOf(err) != inbox.Internal {
			t.Errorf("%s beyond the log: %v", name, err)
		}
	}
}

func anUnknownPluginIsNotFound(t *testing.T, open Open) {
	ctx := t.Context()
	s := open(t, Options{})
	for name, call := range map[string]func() error{
		"Settle": func() error {
			return Settle(s, &inbox.Settlement{Plugin: "unknown", Position: inbox.PositionChange{Cursor: 1}})
		},
		"Record":       func() error { _, err := s.Record(ctx, "unknown"); return err },
		"Runs":         func() error { _, err := s.Runs(ctx, "unknown", 0); return err },
		"Lane":         func() error { _, err := s.Lane(ctx, "unknown", OneLane()); return err },
		"DeadLetter":   func() error { _, err := s.DeadLetter(ctx, "unknown", 1); return err },
		"SettledAbove": func() error { _, err := s.SettledAbove(ctx, "unknown", 0, 0); return err },
		"Replays":      func() error { _, err := s.Replays(ctx, "unknown"); return err },
	} {
		if err := call(); inbox.KindOf(err) != inbox.NotFound || inbox.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func theFirstRegistrationOfAPluginSetsItsStart(t *testing.T, open Open) {
	ctx := t.Context()
	s := ready(t, open, 5)
	for i, c := range []struct {
		from inbox.StartFrom
		want int64
	}{{inbox.StartFrom{}, 5}, {inbox.StartFrom{Start: true}, 0}, {inbox.StartFrom{Seq: 3}, 2}, {inbox.StartFrom{Seq: 99}, 5}, {inbox.StartFrom{Seq: 1}, 0}} {
		name := fmt.Sprint("plugin ", i)
		for _, from := range []inbox.StartFrom{c.from, {Start: true}} { // the second call changes nothing
			if err := s.Register(ctx, name, from); err != nil {
				t.Fatal(err)
			}
		}
		if p, err := s.Record(ctx, name); err != nil || p.Cursor != c.want || p.StartedAt != c.want {
			t.Errorf("from %+v: %+v, %v", c.from, p, err)
		}
	}
}
