package storetest

import (
	"slices"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

// The test plays random arrivals, outcomes, retries, discards and replays against a small model. It compares every answer to an
// operator with the model, and checks the invariants of the store.
func whateverHappensTheStoreSaysWhatAModelSays(t *testing.T, open Open) {
	plays := int64(5)
	if inboxtest.LongRun() && !inboxtest.Race { // the race detector makes a store written in Go ten times slower
		plays = 40
	}
	var played atomic.Int64
	var found atomic.Bool
	rapid.Check(t, func(rt *rapid.T) {
		if played.Add(1) > plays && !found.Load() {
			return // enough; but what was found is played again until it is small
		}
		defer func() {
			if rt.Failed() {
				found.Store(true)
			}
		}()
		inner := &scope{TB: t, rt: rt}
		defer inner.end()
		m := &machine{World: NewWorld(rt, open(inner, Options{Fast: true})), rt: rt}
		rt.Repeat(map[string]func(*rapid.T){
			"arrive":  m.arrives,
			"run":     m.runs,
			"resolve": m.resolves,
			"go on":   m.goesOn,
			"replay":  m.replays,
			"wrong":   m.doesWrong,
			"":        func(rt *rapid.T) { about := rapid.IntRange(nobody, 3).Draw(rt, "look at"); m.answers(&about) },
		})
		m.Verify()
	})
}

// scope is a part of a test. Its cleanup functions run when the part ends, not when the test does.
type scope struct {
	testing.TB
	rt       *rapid.T
	cleanups []func()
}

// Cleanup registers a function that end calls.
func (s *scope) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

// Errorf fails the run of the property.
func (s *scope) Errorf(format string, args ...any) { s.rt.Errorf(format, args...) }

// Fatal ends the run of the property.
func (s *scope) Fatal(args ...any) { s.rt.Fatal(args...) }

func (s *scope) end() {
	for _, f := range slices.Backward(s.cleanups) {
		f()
	}
}

// machine draws what happens next in a world.
type machine struct {
	*World
	rt *rapid.T
}

func (m *machine) fate(rt *rapid.T) inbox.Fate {
	return rapid.SampledFrom([]inbox.Fate{inbox.Done, inbox.Again, inbox.Dead}).Draw(rt, "fate")
}

func (m *machine) arrives(rt *rapid.T) { m.Arrive(rapid.IntRange(nobody, 3).Draw(rt, "verification")) }

func (m *machine) runs(rt *rapid.T) {
	can := slices.DeleteFunc(m.ids(), func(id int) bool { return m.next(id) == nil })
	if len(can) == 0 {
		rt.Skip("nothing to run")
	}
	m.Run(rapid.SampledFrom(can).Draw(rt, "verification"), m.fate(rt), rapid.Bool().Draw(rt, "parks"))
}

// runOf names a run of an event.
type runOf struct{ seq, run int64 }

func (m *machine) find(has func(d *Delivery) []int64) []runOf {
	var list []runOf
	for _, d := range m.Events {
		runs := has(d)
		slices.Sort(runs)
		for _, run := range runs {
			list = append(list, runOf{d.Seq, run})
		}
	}
	return list
}

func (m *machine) resolves(rt *rapid.T) {
	open := m.find(func(d *Delivery) (runs []int64) {
		for run := range d.deadLetters {
			runs = append(runs, run)
		}
		return runs
	})
	if len(open) == 0 {
		rt.Skip("nothing is dead")
	}
	one := rapid.SampledFrom(open).Draw(rt, "letter")
	m.Resolve(m.Events[one.seq-1], one.run, rapid.SampledFrom([]inbox.Resolution{inbox.Retried, inbox.Discarded}).Draw(rt, "how"))
}

func (m *machine) goesOn(rt *rapid.T) {
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
	one := rapid.SampledFrom(due).Draw(rt, "run")
	d := m.Events[one.seq-1]
	m.GoOn(d, d.Runs[one.run], m.fate(rt))
}

func (m *machine) replays(rt *rapid.T) {
	if len(m.known) >= 3 {
		rt.Skip("enough replays")
	}
	only := rapid.SampledFrom([]inbox.Only{inbox.OnlyAll, inbox.OnlyFailed, inbox.OnlyMissing}).Draw(rt, "only")
	m.Replay(only, func() inbox.Fate { return m.fate(rt) })
}

// doesWrong asks for actions that the state does not allow. They must change nothing.
func (m *machine) doesWrong(rt *rapid.T) {
	if len(m.Events) == 0 {
		rt.Skip("no event")
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
			rt.Fatalf("%s what is not dead: %v", name, err)
		}
	}
}
