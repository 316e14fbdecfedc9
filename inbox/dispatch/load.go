package dispatch

import (
	"time"

	"inbox/inbox"
)

// memory holds the lanes, runs and replays of one plugin. load makes it from the store, at the start and
// whenever a settlement failed.
type memory struct {
	cursor  *cursor
	lanes   *lanes
	reader  *reader
	runs    *runs
	replays *replays
	starter *starter
}

// newMemory returns the parts, empty, at a place in the log.
func newMemory(k *link, r *release, w *workers, at int64) *memory {
	c := newCursor(at, k.now())
	ls := &lanes{
		link: k, release: r, cursor: c, log: laneLog{k, r, c}, byID: map[inbox.LaneID]*lane{}, bound: k.opt.bounds.parked, moved: k.opt.moved,
	}
	rd := &reader{link: k, release: r, cursor: c, lanes: ls, more: true}
	rs := &runs{link: k, release: r, lanes: ls, known: map[runKey]bool{}}
	return &memory{
		cursor: c, lanes: ls, reader: rd, runs: rs,
		replays: &replays{link: k, release: r, cursor: c, lanes: ls, runs: rs, retried: map[runKey]int{}},
		starter: &starter{link: k, release: r, workers: w, lanes: ls, reader: rd},
	}
}

// load makes the memory from the store. Loading twice, or after any crash, gives the same memory. It does nothing while
// settlements are in flight: they may become durable after the read, and the memory would lack them.
func (p *loop) load() bool {
	now := p.link.now()
	if now.Before(p.retryAt) || !p.link.quiet() {
		return false
	}
	m, err := p.tryLoad(now)
	switch {
	case inbox.EndOf(err) == inbox.EndFenced:
		p.link.lease.fenced.Store(true)
		p.giveUp()
		return false
	case err != nil:
		p.link.opt.Log.Error("cannot load the state of a plugin; trying again", "plugin", p.name, "error", err)
		p.why, p.retryAt = "waits for the store: "+err.Error(), now.Add(resetPause)
		return false
	}
	p.mem = m
	return true
}

func (p *loop) tryLoad(now time.Time) (*memory, error) {
	rec, term, err := p.link.store.Load(p.link.stop, p.name)
	if err != nil {
		return nil, err
	}
	p.link.begin(term)
	p.halted = rec.Paused
	p.release.load(rec, now)
	p.link.stateful.Store(rec.HasState)
	m := newMemory(p.link, p.release, p.workers, rec.Cursor)
	m.replays.anyDead = rec.Dead > 0
	for _, load := range []func() error{
		func() error { return m.lanes.loadAll(now) }, m.reader.load, m.replays.load, func() error { return m.runs.load(now) },
	} {
		if err := load(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// reread takes over an operator's changes from the store, once no settlement is in flight: then the store holds the memory
// and those changes. Nothing is started meanwhile. The loop itself asks for it when runs that waited behind a lane were
// freed.
func (p *loop) reread(m *memory) error {
	p.link.stale = false
	rec, err := p.link.store.Record(p.link.stop, p.name)
	if err != nil {
		return err
	}
	p.halted, m.replays.anyDead = rec.Paused, rec.Dead > 0
	if p.release.health.OnHold && !rec.Health.OnHold {
		p.release.health = inbox.Health{}
		m.lanes.hurry()
	}
	if err := m.lanes.loadReady(); err != nil {
		return err
	}
	if err := m.replays.reread(); err != nil {
		return err
	}
	return m.runs.load(p.link.now())
}

// wantsMore reports whether there is room for lanes or runs that only the store holds.
func (m *memory) wantsMore(now time.Time) bool { return m.lanes.wantsMore() || m.runs.wantsMore(now) }

// read reads the log on and admits the events of replays, unless the lanes are about to be made by another rule.
func (m *memory) read() error {
	if err := m.reader.readLog(); err != nil {
		return err
	}
	if m.reader.draining() {
		return nil
	}
	return m.replays.admit(m.lanes.link.now())
}

// flush stores a cursor that moved over filtered events, from time to time.
func (m *memory) flush() {
	if now := m.lanes.link.now(); m.cursor.flushDue(now) {
		s := &inbox.Settlement{}
		m.cursor.move(s, now)
		m.lanes.link.submit(s)
	}
}
