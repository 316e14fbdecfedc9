package storetest

import (
	"context"
	"fmt"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

// reporter reports the failures of a world. It is a test, or a check of a property.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

var operator = inbox.Actor{Name: "operator", Reason: "test"}

// World is a store with one plugin p, and a model of its content. It settles the plugin's deliveries as the dispatcher does. The
// plugin wants the events of verifications with a number from 0, and filters out those of the verification unwanted.
type World struct {
	Now    time.Time          // of the newest attempt; it increases with each attempt
	Events []*Delivery        // by seq, from 1
	Lanes  map[int]*LaneModel // by verification
	Asks   []inbox.Outgoing   // requests of the next attempt that settles

	ctx     context.Context
	t       reporter
	s       Store
	replays []*inbox.Replay
}

// Delivery is the model of one event in p.
type Delivery struct {
	Seq         int64
	Runs        map[int64]*inbox.Run // that have a row, by run
	id          int                  // of the verification, or unwanted
	attemptsOf  map[int64]int        // by run
	deadLetters map[int64]bool       // open dead letters by run; the value is whether it parks
	newest      ending               // of the newest attempt
	final       ending               // of the newest attempt that ended a run
	settled     bool                 // its first run has ended or is in a lane's row
	attempts    int
}

// ending is the end of an attempt, with the resolution of its dead letter.
type ending struct {
	fate     inbox.Fate
	run      int64
	resolved inbox.Resolution
}

// LaneModel is the model of a lane.
type LaneModel struct {
	ID   inbox.LaneID
	seqs []int64
	done int         // number of seqs that are settled
	row  *inbox.Lane // nil: none
}

// unwanted is the verification whose events the plugin filters out.
const unwanted = -1

// NewWorld registers the plugin p in a store without events.
func NewWorld(t reporter, s Store) *World {
	w := &World{ctx: context.Background(), t: t, s: s, Lanes: map[int]*LaneModel{}, Now: time.Now().Add(-time.Hour).Truncate(time.Millisecond).UTC()}
	if err := s.Register(w.ctx, "p", inbox.StartFrom{Start: true}); err != nil {
		t.Fatalf("register: %v", err)
	}
	w.Settle(&inbox.Settlement{Release: inbox.ReleaseChange{LaneRule: "key key"}})
	return w
}

// Arrive stores an event of a verification.
func (w *World) Arrive(id int) int64 {
	w.t.Helper()
	typ := []string{"verification_started", "step_verification_completed", "verification_completed"}[len(w.Events)%3]
	a := inboxtest.Arrival(fmt.Sprintf(`{"event":"workflow","event_type":%q,"data":{"id":%d,"customerReference":"ref-%d","n":%d}}`, typ, id+2, id+2, len(w.Events)))
	r, err := w.s.Accept(w.ctx, a)
	if err != nil {
		w.t.Fatalf("accept: %v", err)
	}
	d := &Delivery{Seq: r.Seq, id: id, attemptsOf: map[int64]int{}, deadLetters: map[int64]bool{}, Runs: map[int64]*inbox.Run{}, settled: id == unwanted}
	w.Events = append(w.Events, d)
	if id == unwanted {
		return r.Seq
	}
	l := w.Lanes[id]
	if l == nil {
		e, err := w.s.Event(w.ctx, r.Seq)
		if err != nil {
			w.t.Fatalf("read the event: %v", err)
		}
		l = &LaneModel{ID: inbox.LaneID{Mode: e.Mode, Key: e.View.Key}}
		w.Lanes[id] = l
	}
	l.seqs = append(l.seqs, r.Seq)
	return r.Seq
}

// Settle commits a settlement of the plugin p.
func (w *World) Settle(st *inbox.Settlement) {
	w.t.Helper()
	st.Plugin, st.Term = "p", w.s.Term()
	answer := make(chan error, 1)
	if err := w.s.Settle(w.ctx, st, func(err error) { answer <- err }); err != nil {
		w.t.Fatalf("settle: %v", err)
	}
	if err := <-answer; err != nil {
		w.t.Fatalf("settle: %v", err)
	}
}

// Attempt records an attempt of a run in the model and returns its settlement, to which the caller adds more.
func (w *World) Attempt(d *Delivery, run int64, fate inbox.Fate) *inbox.Settlement {
	d.attemptsOf[run]++
	d.attempts++
	w.Now = w.Now.Add(time.Second)
	result := map[inbox.Fate]inbox.Result{inbox.Done: inbox.OK, inbox.Again: inbox.Trap, inbox.Dead: inbox.Reject}[fate]
	d.newest = ending{fate: fate, run: run}
	if fate != inbox.Again {
		d.final = d.newest
	}
	st := &inbox.Settlement{Attempt: &inbox.Attempt{
		Plugin: "p", Seq: d.Seq, Run: run, Number: d.attemptsOf[run], Result: result, Fate: fate, Counted: true, StartedAt: w.Now,
		Duration: time.Millisecond, Reason: "because of " + string(result), HostWords: 7, Log: []byte("log"),
	}}
	if fate == inbox.Done {
		key := fmt.Sprint("seen/", d.id)
		st.Effects = &inbox.Effects{
			Lane: w.Lanes[d.id].ID, State: document(fmt.Sprintf(`{"seq":%d}`, d.Seq), 1), KV: []inbox.KVChange{{Key: key, Value: []byte(key)}}, KVLimit: inbox.DefaultKV,
		}
		st.Effects.Requests, w.Asks = w.Asks, nil
	} else {
		st.Effects = &inbox.Effects{Lane: w.Lanes[d.id].ID}
	}
	st.Effects.Journal = []inbox.Fetched{Fetch("/"+string(fate), w.Now)}
	if fate == inbox.Dead {
		st.Dead = &inbox.DeadLetter{
			Plugin: "p", Seq: d.Seq, Run: run, Attempt: d.attemptsOf[run], Lane: w.Lanes[d.id].ID, Result: result, DiedAt: w.Now,
		}
	}
	return st
}

// next returns the next event of a lane; nil for a parked lane and a lane without further events.
func (w *World) next(id int) *Delivery {
	l := w.Lanes[id]
	if l == nil || l.done == len(l.seqs) || l.row != nil && l.row.State == inbox.LaneParked {
		return nil
	}
	return w.Events[l.seqs[l.done]-1]
}

// Run settles an attempt of the first run of a lane's next event. A dead event parks the lane if parks is set.
func (w *World) Run(id int, fate inbox.Fate, parks bool) {
	w.t.Helper()
	d, l := w.next(id), w.Lanes[id]
	st := w.Attempt(d, 0, fate)
	d.settled = true
	row := inbox.Lane{ID: l.ID, Next: d.Seq, State: inbox.LaneRetry, DueAt: w.Now.Add(time.Hour), Attempt: d.attemptsOf[0], Counted: d.attemptsOf[0], Since: w.Now}
	switch {
	case fate == inbox.Again:
		l.row, st.Lane.Put = &row, &row
	case fate == inbox.Dead && parks:
		row.State, row.DueAt, st.Dead.Parks = inbox.LaneParked, time.Time{}, true
		l.row, st.Lane.Put = &row, &row
		d.deadLetters[0] = true
	default:
		if fate == inbox.Dead {
			d.deadLetters[0] = false
		}
		l.done++
		w.advance(l, st)
	}
	st.Position.Cursor = w.cursor()
	w.Settle(st)
}

// advance moves a lane's row to its next event, or deletes the row. A deletion makes the waiting runs due.
func (w *World) advance(l *LaneModel, st *inbox.Settlement) {
	switch {
	case l.row == nil:
	case l.done < len(l.seqs):
		l.row = &inbox.Lane{ID: l.ID, Next: l.seqs[l.done], State: inbox.LaneReady, Since: l.row.Since}
		st.Lane.Put = l.row
	default:
		l.row = nil
		id := l.ID
		st.Lane.Gone = &id
		for _, d := range w.Events {
			for _, r := range d.Runs {
				if r.Lane == id {
					r.Waits = false
				}
			}
		}
	}
}

// cursor returns the newest seq up to which every event is settled or is in a lane with a row.
func (w *World) cursor() int64 {
	for _, d := range w.Events {
		if l := w.Lanes[d.id]; !d.settled && (l.row == nil || l.row.Next > d.Seq) {
			return d.Seq - 1
		}
	}
	return int64(len(w.Events))
}

// Resolve retries or discards a dead run.
func (w *World) Resolve(d *Delivery, run int64, how inbox.Resolution) {
	w.t.Helper()
	parks := d.deadLetters[run]
	do := w.s.Retry
	if how == inbox.Discarded {
		do = w.s.Discard
	}
	if err := do(w.ctx, operator, "p", d.Seq, run); err != nil {
		w.t.Fatalf("%s event %d run %d: %v", how, d.Seq, run, err)
	}
	delete(d.deadLetters, run)
	for _, v := range []*ending{&d.newest, &d.final} {
		if v.fate == inbox.Dead && v.run == run {
			v.resolved = how
		}
	}
	l := w.Lanes[d.id]
	switch {
	case parks && how == inbox.Retried:
		l.row = &inbox.Lane{ID: l.ID, Next: d.Seq, State: inbox.LaneReady, Attempt: d.attemptsOf[0], Since: l.row.Since}
	case parks: // the dispatcher finds the next event; the store only stores a lower bound of its seq
		l.row = &inbox.Lane{ID: l.ID, Next: d.Seq + 1, State: inbox.LaneReady, Since: l.row.Since}
		l.done++
	case how == inbox.Retried:
		d.Runs[run] = &inbox.Run{Plugin: "p", Seq: d.Seq, Run: run, Lane: l.ID, Attempt: d.attemptsOf[run]}
	}
}

// Continue settles the next attempt of a run that has a row.
func (w *World) Continue(d *Delivery, r *inbox.Run, fate inbox.Fate) {
	w.t.Helper()
	st := w.Attempt(d, r.Run, fate)
	st.Replay = w.step(r.Replay, fate)
	if fate == inbox.Again {
		r.Attempt, r.Counted, r.DueAt, r.Waits = d.attemptsOf[r.Run], d.attemptsOf[r.Run], w.Now.Add(time.Hour), false
		st.Run.Put = r
	} else {
		delete(d.Runs, r.Run)
		st.Run.Gone = r
		if fate == inbox.Dead {
			d.deadLetters[r.Run] = false
		}
	}
	w.Settle(st)
}

// step returns the progress of a replay after an attempt; nil for a run that belongs to no replay or is retried.
func (w *World) step(replay int64, fate inbox.Fate) *inbox.ReplayStep {
	switch {
	case replay == 0 || fate == inbox.Again:
		return nil
	case fate == inbox.Dead:
		return &inbox.ReplayStep{Replay: replay, Plugin: "p", Add: inbox.ReplayCount{Dead: 1}}
	}
	return &inbox.ReplayStep{Replay: replay, Plugin: "p", Add: inbox.ReplayCount{OK: 1}}
}

// skipped reports whether a replay skips an event.
func (w *World) skipped(d *Delivery) bool {
	l := w.Lanes[d.id]
	return d.id == unwanted || !d.settled || len(d.Runs) > 0 || len(d.deadLetters) > 0 || l.row != nil && l.row.Next <= d.Seq
}

// Replay creates a replay and settles an attempt of each of its events. fate returns the fates. Events behind a parked lane wait.
func (w *World) Replay(only inbox.Only, fate func() inbox.Fate) *inbox.Replay {
	w.t.Helper()
	j := &inbox.Replay{Only: only, Plugins: []string{"p"}}
	err := w.s.CreateReplay(w.ctx, operator, j)
	if want := w.selected(only); len(want) == 0 {
		if inbox.KindOf(err) != inbox.NotFound {
			w.t.Fatalf("a replay without events: %v", err)
		}
		return nil
	} else if err != nil || j.Matched != int64(len(want)) || j.Upto != want[len(want)-1] {
		w.t.Fatalf("replay %s: %d matched up to %d, want %v, %v", only, j.Matched, j.Upto, want, err)
	}
	w.replays = append(w.replays, j)
	for at := j.Parts[0].Position; at < j.Upto; {
		events, upto, err := w.s.Match(w.ctx, j, "p", at, 2)
		if err != nil || upto <= at {
			w.t.Fatalf("match after %d: up to %d, %v", at, upto, err)
		}
		for i := range events {
			w.replayOne(j, w.Events[events[i].Seq-1], fate())
		}
		at = upto
	}
	w.Settle(&inbox.Settlement{Replay: &inbox.ReplayStep{Replay: j.ID, Plugin: "p", Position: j.Upto, Done: true}})
	return j
}

func (w *World) replayOne(j *inbox.Replay, d *Delivery, fate inbox.Fate) {
	w.t.Helper()
	if w.skipped(d) {
		w.Settle(&inbox.Settlement{Replay: &inbox.ReplayStep{Replay: j.ID, Plugin: "p", Position: d.Seq, Add: inbox.ReplayCount{Pending: 1}}})
		return
	}
	l := w.Lanes[d.id]
	r := &inbox.Run{Plugin: "p", Seq: d.Seq, Run: j.ID, Replay: j.ID, Lane: l.ID, DueAt: w.Now}
	if l.row != nil && l.row.State == inbox.LaneParked {
		r.Waits = true
		d.Runs[j.ID] = r
		w.Settle(&inbox.Settlement{Run: inbox.RunChange{Put: r}, Replay: &inbox.ReplayStep{Replay: j.ID, Plugin: "p", Position: d.Seq, Add: inbox.ReplayCount{Waiting: 1}}})
		return
	}
	if fate == inbox.Again {
		d.Runs[j.ID] = r
	}
	w.Continue(d, r, fate)
}
