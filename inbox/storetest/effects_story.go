package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"inbox/inbox"
)

// effectLane is the model of one lane of effects.
type effectLane struct {
	open []int64        // those that wait for each other, in order
	dead map[int64]bool // dead ones, by id; the value is whether it parks
	due  int64          // the one that is due; 0: none
}

// goOn makes the first open effect due, unless one is due already or the first is dead.
func (m *effectLane) goOn() {
	if m.due == 0 && len(m.open) > 0 && !m.dead[m.open[0]] {
		m.due = m.open[0]
	}
}

func (m *effectLane) close(id int64) {
	m.open = slices.DeleteFunc(m.open, func(other int64) bool { return other == id })
}

// sender draws operations on effects in a world, and models their lanes.
type sender struct {
	*World
	rt    *rapid.T
	lanes map[inbox.EffectLane]*effectLane
	last  int64 // id of the newest effect
}

// lanesOfEffectsGoOnInOrderUnderRandomOperations checks that one effect of each lane is due: the one that was, or else the first,
// unless that is dead.
func lanesOfEffectsGoOnInOrderUnderRandomOperations(t *testing.T, open Open) {
	var checks atomic.Int64
	rapid.Check(t, func(rt *rapid.T) {
		if checks.Add(1) > 20 {
			return
		}
		inner := &scope{TB: t, rt: rt}
		defer inner.end()
		m := &sender{World: NewWorld(rt, open(inner, Options{Fast: true})), rt: rt, lanes: map[inbox.EffectLane]*effectLane{}}
		rt.Repeat(map[string]func(*rapid.T){"ask": m.ask, "send": m.send, "resolve": m.resolve, "": m.compare})
	})
}

func (m *sender) ask(rt *rapid.T) {
	id := rapid.IntRange(0, 2).Draw(rt, "verification")
	m.Arrive(id)
	for range rapid.IntRange(1, 3).Draw(rt, "requests") {
		m.last++
		lane := inbox.EffectLane{Plugin: "p", LaneID: m.Lanes[id].ID, Origin: rapid.SampledFrom([]string{crm, mail}).Draw(rt, "origin")}
		m.Asks = append(m.Asks, Ask(lane.Origin, fmt.Sprint("/", m.last)))
		if m.lanes[lane] == nil {
			m.lanes[lane] = &effectLane{dead: map[int64]bool{}}
		}
		l := m.lanes[lane]
		if l.open = append(l.open, m.last); len(l.open) == 1 {
			l.due = m.last
		}
	}
	m.Run(id, inbox.Done, false)
}

func (m *sender) send(rt *rapid.T) {
	due := slices.Concat(m.Due(crm), m.Due(mail))
	if len(due) == 0 {
		rt.Skip()
	}
	e := rapid.SampledFrom(due).Draw(rt, "effect")
	l := m.lanes[e.Lane]
	d := inbox.Decision{Fate: rapid.SampledFrom([]inbox.Fate{inbox.Done, inbox.Again, inbox.Dead}).Draw(rt, "fate"), Counted: e.Counted + 1, DueAt: At(1)}
	if d.Fate == inbox.Dead {
		d.Parks = rapid.Bool().Draw(rt, "parks")
		l.dead[e.ID] = d.Parks
	}
	if d.Fate != inbox.Again {
		l.due = 0
	}
	if d.Fate != inbox.Again && !d.Parks {
		l.close(e.ID)
		l.goOn()
	}
	status := map[inbox.Fate]int{inbox.Done: 200, inbox.Again: 500, inbox.Dead: 400}[d.Fate]
	m.Send(&e, answered(status), d, inbox.HealthChange{})
}

func (m *sender) resolve(rt *rapid.T) {
	laneOf := map[int64]*effectLane{}
	var dead []int64
	for _, l := range m.lanes {
		for id := range l.dead {
			dead, laneOf[id] = append(dead, id), l
		}
	}
	if len(dead) == 0 {
		rt.Skip()
	}
	slices.Sort(dead)
	id := rapid.SampledFrom(dead).Draw(rt, "dead effect")
	how := rapid.SampledFrom([]inbox.Resolution{inbox.Retried, inbox.Discarded}).Draw(rt, "how")
	failed, err := m.s.ResolveEffects(context.Background(), operator, how, []int64{id})
	if err != nil || failed[0] != nil {
		rt.Fatalf("resolve effect %d: %v, %v", id, failed, err)
	}
	l := laneOf[id]
	l.close(id)
	delete(l.dead, id)
	if how == inbox.Retried {
		l.open = slices.Sorted(slices.Values(append(l.open, id)))
	}
	l.goOn()
}

func (m *sender) compare(rt *rapid.T) {
	var want, got []int64
	for _, l := range m.lanes {
		if l.due != 0 {
			want = append(want, l.due)
		}
	}
	for _, e := range slices.Concat(m.Due(crm), m.Due(mail)) {
		got = append(got, e.ID)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		rt.Fatalf("due are %v, want %v", got, want)
	}
}
