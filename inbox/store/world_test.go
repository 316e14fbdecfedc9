package store_test

import (
	"fmt"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// told is what a world reports to: a test or a run of a property.
type told interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

var operator = store.Actor{Name: "operator", Reason: "test"}

// world is a store with one plugin p, settled as the dispatcher would, and a model of what must be in it. The plugin
// takes the events of numbered verifications and does not want those of nobody.
type world struct {
	t      told
	s      *store.Store
	now    time.Time // of attempts; never twice the same
	events []*delivery
	lanes  map[int]*laneModel
	jobs   []*inbox.Job
}

// delivery is the model of one event in p.
type delivery struct {
	seq      int64
	id       int // whose; nobody's are not wanted
	tried    map[int64]int
	letters  map[int64]bool // open ones, by run: whether it parks
	runs     map[int64]*inbox.Run
	newest   verdict // newest attempt
	final    verdict // newest attempt that ended a run
	settled  bool    // its first run needs nothing more, or stands in a lane row
	attempts int
}

type verdict struct {
	fate     inbox.Fate
	run      int64
	resolved inbox.Resolution
}

type laneModel struct {
	id   inbox.LaneID
	seqs []int64
	done int // of seqs
	row  *inbox.Lane
}

const nobody = -1

func newWorld(t testing.TB, o store.Options) *world {
	t.Helper()
	return worldOf(t, inboxtest.Store(t, o))
}

func worldOf(t told, s *store.Store) *world {
	w := &world{t: t, s: s, lanes: map[int]*laneModel{}, now: time.Now().Add(-time.Hour).Truncate(time.Millisecond).UTC()}
	if err := s.Register(ctx, "p", inbox.StartFrom{Start: true}); err != nil {
		t.Fatalf("register: %v", err)
	}
	w.settle(&inbox.Settlement{Keying: "key key"})
	return w
}

// arrive stores an event of a verification.
func (w *world) arrive(id int) int64 {
	w.t.Helper()
	typ := []string{"verification_started", "step_verification_completed", "verification_completed"}[len(w.events)%3]
	a := inboxtest.Arrival(fmt.Sprintf(`{"event":"workflow","event_type":%q,"data":{"id":%d,"customerReference":"ref-%d","n":%d}}`, typ, id+2, id+2, len(w.events)))
	r, err := w.s.Accept(ctx, a)
	if err != nil {
		w.t.Fatalf("accept: %v", err)
	}
	d := &delivery{seq: r.Seq, id: id, tried: map[int64]int{}, letters: map[int64]bool{}, runs: map[int64]*inbox.Run{}, settled: id == nobody}
	w.events = append(w.events, d)
	if id == nobody {
		return r.Seq
	}
	l := w.lanes[id]
	if l == nil {
		e, err := w.s.Event(ctx, r.Seq)
		if err != nil {
			w.t.Fatalf("read the event: %v", err)
		}
		l = &laneModel{id: inbox.LaneID{Mode: e.Mode, Key: e.View.Key}}
		w.lanes[id] = l
	}
	l.seqs = append(l.seqs, r.Seq)
	return r.Seq
}

func (w *world) settle(st *inbox.Settlement) {
	w.t.Helper()
	st.Plugin, st.Term = "p", w.s.Term()
	answer := make(chan error, 1)
	if err := w.s.Settle(ctx, st, func(err error) { answer <- err }); err != nil {
		w.t.Fatalf("settle: %v", err)
	}
	if err := <-answer; err != nil {
		w.t.Fatalf("settle: %v", err)
	}
}

// attempt records an attempt of a run and returns the settlement to add to.
func (w *world) attempt(d *delivery, run int64, fate inbox.Fate) *inbox.Settlement {
	d.tried[run]++
	d.attempts++
	w.now = w.now.Add(time.Second)
	result := map[inbox.Fate]inbox.Result{inbox.Done: inbox.OK, inbox.Again: inbox.Trap, inbox.Dead: inbox.Reject}[fate]
	d.newest = verdict{fate: fate, run: run}
	if fate != inbox.Again {
		d.final = d.newest
	}
	st := &inbox.Settlement{Attempt: &inbox.Attempt{
		Plugin: "p", Seq: d.seq, Run: run, Number: d.tried[run], Result: result, Fate: fate, Counted: true, StartedAt: w.now,
		Duration: time.Millisecond, Reason: "because of " + string(result), HostWords: 7, Log: []byte("log"),
	}}
	if fate == inbox.Dead {
		st.Dead = &inbox.DeadLetter{
			Plugin: "p", Seq: d.seq, Run: run, Attempt: d.tried[run], Lane: w.lanes[d.id].id, Result: result, DiedAt: w.now,
		}
	}
	return st
}

// next is the event a lane would run, nil when there is none or it is parked.
func (w *world) next(id int) *delivery {
	l := w.lanes[id]
	if l == nil || l.done == len(l.seqs) || l.row != nil && l.row.State == inbox.LaneParked {
		return nil
	}
	return w.events[l.seqs[l.done]-1]
}

// run makes the first run of a lane's next event, which comes to a fate. A death parks the lane or not.
func (w *world) run(id int, fate inbox.Fate, parks bool) {
	w.t.Helper()
	d, l := w.next(id), w.lanes[id]
	st := w.attempt(d, 0, fate)
	d.settled = true
	stays := inbox.Lane{ID: l.id, Next: d.seq, State: inbox.LaneRetry, DueAt: w.now.Add(time.Hour), Attempt: d.tried[0], Tries: d.tried[0], Since: w.now}
	switch {
	case fate == inbox.Again:
		l.row, st.Lane = &stays, &stays
	case fate == inbox.Dead && parks:
		stays.State, stays.DueAt, st.Dead.Parks = inbox.LaneParked, time.Time{}, true
		l.row, st.Lane = &stays, &stays
		d.letters[0] = true
	default:
		if fate == inbox.Dead {
			d.letters[0] = false
		}
		l.done++
		w.advance(l, st)
	}
	st.Cursor = w.cursor()
	w.settle(st)
}

// advance moves a lane's row to its next event, or drops it: what waited behind it is due.
func (w *world) advance(l *laneModel, st *inbox.Settlement) {
	switch {
	case l.row == nil:
	case l.done < len(l.seqs):
		l.row = &inbox.Lane{ID: l.id, Next: l.seqs[l.done], State: inbox.LaneReady, Since: l.row.Since}
		st.Lane = l.row
	default:
		l.row = nil
		id := l.id
		st.LaneGone = &id
		for _, d := range w.events {
			for _, r := range d.runs {
				if r.Lane == id {
					r.Waits = false
				}
			}
		}
	}
}

// cursor is the newest seq at or below which everything is settled or stands in a lane that lags.
func (w *world) cursor() int64 {
	for _, d := range w.events {
		if l := w.lanes[d.id]; !d.settled && (l.row == nil || l.row.Next > d.seq) {
			return d.seq - 1
		}
	}
	return int64(len(w.events))
}

// resolve retries or discards a dead run.
func (w *world) resolve(d *delivery, run int64, how inbox.Resolution) {
	w.t.Helper()
	parks := d.letters[run]
	do := w.s.Retry
	if how == inbox.Discarded {
		do = w.s.Discard
	}
	if err := do(ctx, operator, "p", d.seq, run); err != nil {
		w.t.Fatalf("%s event %d run %d: %v", how, d.seq, run, err)
	}
	delete(d.letters, run)
	for _, v := range []*verdict{&d.newest, &d.final} {
		if v.fate == inbox.Dead && v.run == run {
			v.resolved = how
		}
	}
	l := w.lanes[d.id]
	switch {
	case parks && how == inbox.Retried:
		l.row = &inbox.Lane{ID: l.id, Next: d.seq, State: inbox.LaneReady, Attempt: d.tried[0], Since: l.row.Since}
	case parks: // the dispatcher finds what is next; the store only knows that it is later
		l.row = &inbox.Lane{ID: l.id, Next: d.seq + 1, State: inbox.LaneReady, Since: l.row.Since}
		l.done++
	case how == inbox.Retried:
		d.runs[run] = &inbox.Run{Plugin: "p", Seq: d.seq, Run: run, Lane: l.id, Attempt: d.tried[run]}
	}
}

// goOn makes the next attempt of a run that has a row.
func (w *world) goOn(d *delivery, r *inbox.Run, fate inbox.Fate) {
	w.t.Helper()
	st := w.attempt(d, r.Run, fate)
	st.Job = w.step(r.Job, fate)
	if fate == inbox.Again {
		r.Attempt, r.Tries, r.DueAt, r.Waits = d.tried[r.Run], d.tried[r.Run], w.now.Add(time.Hour), false
		st.Run = r
	} else {
		delete(d.runs, r.Run)
		st.RunGone = r
		if fate == inbox.Dead {
			d.letters[r.Run] = false
		}
	}
	w.settle(st)
}

func (w *world) step(job int64, fate inbox.Fate) *inbox.JobStep {
	switch {
	case job == 0 || fate == inbox.Again:
		return nil
	case fate == inbox.Dead:
		return &inbox.JobStep{Job: job, Plugin: "p", Add: inbox.JobCount{Dead: 1}}
	}
	return &inbox.JobStep{Job: job, Plugin: "p", Add: inbox.JobCount{OK: 1}}
}

// busy reports whether a replay must leave an event out.
func (w *world) busy(d *delivery) bool {
	l := w.lanes[d.id]
	return d.id == nobody || !d.settled || len(d.runs) > 0 || len(d.letters) > 0 || l.row != nil && l.row.Next <= d.seq
}

// replay makes a replay and leads all its events through p with one fate each; behind a parked lane they wait.
func (w *world) replay(only inbox.Only, fate func() inbox.Fate) *inbox.Job {
	w.t.Helper()
	j := &inbox.Job{Only: only, Plugins: []string{"p"}}
	err := w.s.CreateJob(ctx, operator, j)
	if want := w.selected(only); len(want) == 0 {
		if inbox.KindOf(err) != inbox.NotFound {
			w.t.Fatalf("a replay of nothing: %v", err)
		}
		return nil
	} else if err != nil || j.Matched != int64(len(want)) || j.Upto != want[len(want)-1] {
		w.t.Fatalf("replay %s: %d matched up to %d, want %v, %v", only, j.Matched, j.Upto, want, err)
	}
	w.jobs = append(w.jobs, j)
	for at := j.Parts[0].Position; at < j.Upto; {
		events, upto, err := w.s.Match(ctx, j, "p", at, 2)
		if err != nil || upto <= at {
			w.t.Fatalf("match after %d: up to %d, %v", at, upto, err)
		}
		for i := range events {
			w.replayOne(j, w.events[events[i].Seq-1], fate())
		}
		at = upto
	}
	w.settle(&inbox.Settlement{Job: &inbox.JobStep{Job: j.ID, Plugin: "p", Position: j.Upto, Done: true}})
	return j
}

func (w *world) replayOne(j *inbox.Job, d *delivery, fate inbox.Fate) {
	w.t.Helper()
	if w.busy(d) {
		w.settle(&inbox.Settlement{Job: &inbox.JobStep{Job: j.ID, Plugin: "p", Position: d.seq, Add: inbox.JobCount{Pending: 1}}})
		return
	}
	l := w.lanes[d.id]
	r := &inbox.Run{Plugin: "p", Seq: d.seq, Run: j.ID, Job: j.ID, Lane: l.id, DueAt: w.now}
	if l.row != nil && l.row.State == inbox.LaneParked {
		r.Waits = true
		d.runs[j.ID] = r
		w.settle(&inbox.Settlement{Run: r, Job: &inbox.JobStep{Job: j.ID, Plugin: "p", Position: d.seq, Add: inbox.JobCount{Waiting: 1}}})
		return
	}
	if fate == inbox.Again {
		d.runs[j.ID] = r
	}
	w.goOn(d, r, fate)
}
