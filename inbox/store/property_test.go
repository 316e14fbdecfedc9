package store_test

import (
	"os"
	"slices"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// TestWhateverHappensTheStoreSaysWhatAModelSays plays random arrivals, outcomes, retries, discards and replays against a
// small model, and holds what every operator's question is answered to it, and the store to its laws.
func TestWhateverHappensTheStoreSaysWhatAModelSays(t *testing.T) {
	t.Parallel()
	var played atomic.Int64
	var found atomic.Bool
	base := inboxtest.Dir(t)
	rapid.Check(t, func(rt *rapid.T) {
		if played.Add(1) > int64(long(5, 5, 40)) && !found.Load() {
			return // enough; but what was found is played again until it is small
		}
		defer func() {
			if rt.Failed() {
				found.Store(true)
			}
		}()
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			rt.Fatalf("make a directory: %v", err)
		}
		s, err := store.Open(ctx, store.Normal(store.Options{Dir: dir, Create: true, MinFree: 1}))
		if err != nil {
			rt.Fatalf("open: %v", err)
		}
		defer s.Close()
		m := &machine{world: worldOf(rt, s), rt: rt}
		rt.Repeat(map[string]func(*rapid.T){
			"arrive":  m.arrives,
			"run":     m.runs,
			"resolve": m.resolves,
			"go on":   m.goesOn,
			"replay":  m.replays,
			"wrong":   m.doesWrong,
			"":        func(rt *rapid.T) { about := rapid.IntRange(nobody, 3).Draw(rt, "look at"); m.answers(&about) },
		})
		m.verify()
	})
}

// machine draws what happens next in a world.
type machine struct {
	*world
	rt *rapid.T
}

var fates = []inbox.Fate{inbox.Done, inbox.Again, inbox.Dead}

func (m *machine) fate(rt *rapid.T) inbox.Fate { return rapid.SampledFrom(fates).Draw(rt, "fate") }

func (m *machine) arrives(rt *rapid.T) { m.arrive(rapid.IntRange(nobody, 3).Draw(rt, "verification")) }

func (m *machine) runs(rt *rapid.T) {
	can := slices.DeleteFunc(m.ids(), func(id int) bool { return m.next(id) == nil })
	if len(can) == 0 {
		rt.Skip("nothing to run")
	}
	m.run(rapid.SampledFrom(can).Draw(rt, "verification"), m.fate(rt), rapid.Bool().Draw(rt, "parks"))
}

// runOf names a run of an event.
type runOf struct{ seq, run int64 }

func (m *machine) find(has func(d *delivery) []int64) []runOf {
	var list []runOf
	for _, d := range m.events {
		runs := has(d)
		slices.Sort(runs)
		for _, run := range runs {
			list = append(list, runOf{d.seq, run})
		}
	}
	return list
}

func (m *machine) resolves(rt *rapid.T) {
	open := m.find(func(d *delivery) (runs []int64) {
		for run := range d.letters {
			runs = append(runs, run)
		}
		return runs
	})
	if len(open) == 0 {
		rt.Skip("nothing is dead")
	}
	one := rapid.SampledFrom(open).Draw(rt, "letter")
	m.resolve(m.events[one.seq-1], one.run, rapid.SampledFrom([]inbox.Resolution{inbox.Retried, inbox.Discarded}).Draw(rt, "how"))
}

func (m *machine) goesOn(rt *rapid.T) {
	due := m.find(func(d *delivery) (runs []int64) {
		for run, r := range d.runs {
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
	d := m.events[one.seq-1]
	m.goOn(d, d.runs[one.run], m.fate(rt))
}

func (m *machine) replays(rt *rapid.T) {
	if len(m.jobs) >= 3 {
		rt.Skip("enough replays")
	}
	only := rapid.SampledFrom([]inbox.Only{inbox.OnlyAll, inbox.OnlyFailed, inbox.OnlyMissing}).Draw(rt, "only")
	m.replay(only, func() inbox.Fate { return m.fate(rt) })
}

// doesWrong asks for what the state does not allow, which must change nothing.
func (m *machine) doesWrong(rt *rapid.T) {
	if len(m.events) == 0 {
		rt.Skip("no event")
	}
	d := m.events[rapid.IntRange(0, len(m.events)-1).Draw(rt, "event")]
	run := int64(rapid.IntRange(0, 3).Draw(rt, "run"))
	if _, dead := d.letters[run]; dead {
		rt.Skip("it is dead")
	}
	for name, do := range map[string]func() error{
		"retry":   func() error { return m.s.Retry(ctx, operator, "p", d.seq, run) },
		"discard": func() error { return m.s.Discard(ctx, operator, "p", d.seq, run) },
	} {
		if err := do(); inbox.KindOf(err) != inbox.Conflict {
			rt.Fatalf("%s what is not dead: %v", name, err)
		}
	}
}
