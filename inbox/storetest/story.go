package storetest

import (
	"slices"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

// The test makes random arrivals, attempts, retries, discards and replays in a store and in a small model. It compares the store's
// answers to operators with the model, and checks the invariants of the store.
func randomOperationsMatchAModel(t *testing.T, open Open) {
	limit := int64(5)
	if inboxtest.LongRun() && !inboxtest.Race { // the race detector makes a store written in Go ten times slower
		limit = 40
	}
	var checks atomic.Int64
	var failed atomic.Bool
	rapid.Check(t, func(rt *rapid.T) {
		if checks.Add(1) > limit && !failed.Load() {
			return // after a failure, rapid repeats the check to find a smaller one
		}
		defer func() {
			if rt.Failed() {
				failed.Store(true)
			}
		}()
		inner := &scope{TB: t, rt: rt}
		defer inner.end()
		m := &machine{World: NewWorld(rt, open(inner, Options{Fast: true})), rt: rt}
		rt.Repeat(map[string]func(*rapid.T){
			"arrive":   m.arrive,
			"run":      m.run,
			"resolve":  m.resolve,
			"continue": m.continueRun,
			"replay":   m.replay,
			"conflict": m.conflict,
			"":         func(rt *rapid.T) { id := rapid.IntRange(unwanted, 3).Draw(rt, "compared"); m.compare(&id) },
		})
		m.Verify()
	})
}

// scope is a part of a test. Its cleanup functions run at the end of the part, before the end of the test.
type scope struct {
	testing.TB
	rt       *rapid.T
	cleanups []func()
}

// Cleanup registers a function that end calls.
func (s *scope) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

// Errorf fails the check of the property.
func (s *scope) Errorf(format string, args ...any) { s.rt.Errorf(format, args...) }

// Fatal fails and ends the check of the property.
func (s *scope) Fatal(args ...any) { s.rt.Fatal(args...) }

func (s *scope) end() {
	for _, f := range slices.Backward(s.cleanups) {
		f()
	}
}

// machine draws the operations in a world.
type machine struct {
	*World
	rt *rapid.T
}

func (m *machine) fate(rt *rapid.T) inbox.Fate {
	return rapid.SampledFrom([]inbox.Fate{inbox.Done, inbox.Again, inbox.Dead}).Draw(rt, "fate")
}

func (m *machine) arrive(rt *rapid.T) { m.Arrive(rapid.IntRange(unwanted, 3).Draw(rt, "verification")) }

func (m *machine) run(rt *rapid.T) {
	ready := slices.DeleteFunc(m.ids(), func(id int) bool { return m.next(id) == nil })
	if len(ready) == 0 {
		rt.Skip("no lane has a next event")
	}
	m.Run(rapid.SampledFrom(ready).Draw(rt, "verification"), m.fate(rt), rapid.Bool().Draw(rt, "parks"))
}

// runRef identifies a run of an event.
type runRef struct{ seq, run int64 }

// find returns the runs that runsOf returns for the events, sorted.
func (m *machine) find(runsOf func(d *Delivery) []int64) []runRef {
	var list []runRef
	for _, d := range m.Events {
		runs := runsOf(d)
		slices.Sort(runs)
		for _, run := range runs {
			list = append(list, runRef{d.Seq, run})
		}
	}
	return list
}

func (m *machine) resolve(rt *rapid.T) {
	open := m.find(func(d *Delivery) (runs []int64) {
		for run := range d.deadLetters {
			runs = append(runs, run)
		}
		return runs
	})
	if len(open) == 0 {
		rt.Skip("there is no dead letter")
	}
	ref := rapid.SampledFrom(open).Draw(rt, "dead letter")
	m.Resolve(m.Events[ref.seq-1], ref.run, rapid.SampledFrom([]inbox.Resolution{inbox.Retried, inbox.Discarded}).Draw(rt, "resolution"))
}

func (m *machine) continueRun(rt *rapid.T) {
	due := m.find(func(d *Delivery) (runs []int64) {
		for run, r := range d.Runs {
			if !r.Waits {
				runs = append(runs, run)
			}
		}
		return runs
	})
	if len(due) == 0 {
		rt.Skip("no run is due")
	}
	ref := rapid.SampledFrom(due).Draw(rt, "run")
	d := m.Events[ref.seq-1]
	m.Continue(d, d.Runs[ref.run], m.fate(rt))
}

func (m *machine) replay(rt *rapid.T) {
	if len(m.replays) >= 3 {
		rt.Skip("there are enough replays")
	}
	only := rapid.SampledFrom([]inbox.Only{inbox.OnlyAll, inbox.OnlyFailed, inbox.OnlyMissing}).Draw(rt, "only")
	m.Replay(only, func() inbox.Fate { return m.fate(rt) })
}

// conflict resolves a run that is not dead. That must return a Conflict error and change nothing.
func (m *machine) conflict(rt *rapid.T) {
	if len(m.Events) == 0 {
		rt.Skip("there is no event")
	}
	d := m.Events[rapid.IntRange(0, len(m.Events)-1).Draw(rt, "event")]
	run := int64(rapid.IntRange(0, 3).Draw(rt, "run"))
	if _, dead := d.deadLetters[run]; dead {
		rt.Skip("it is dead")
	}
	for name, do := range map[string]func() error{
		"retry":   func() error { return m.s.Retry(m.ctx, operator, "p", d.Seq, run) },
		"discard": func() error { return m.s.Discard(m.ctx, operator, "p", d.Seq, run) },
	} {
		if err := do(); inbox.KindOf(err) != inbox.Conflict {
			rt.Fatalf("%s of a run that is not dead: %v", name, err)
		}
	}
}
