package dispatch

import (
	"context"
	"hash/maphash"
	"time"

	"inbox/inbox"
)

// Bounds of the lanes with a row that are in memory.
const (
	maxParked = 512 // parked ones
	lanePage  = 128 // ready ones that are taken up at a time: twice the highest concurrency
)

// sleepers are the lanes of which nothing is in memory but a hash of their names: most parked ones, and, after many were
// retried at once, ready ones whose turn has not come. What is to be known of one is looked up in the store, which holds its
// row. Hashes may collide; the store then says that the lane does not lag.
type sleepers struct {
	seed   maphash.Seed
	hashes map[uint64]int32 // how many lanes have the hash
	count  int
	more   bool     // some of them may be ready
	queue  []parked // parked lanes in memory, the one that was parked first in front
}

// parked is a lane in memory that may be forgotten once the settlement with its row is durable.
type parked struct {
	lane *lane
	mark int64 // number of that settlement
}

func newSleepers() sleepers {
	return sleepers{seed: maphash.MakeSeed(), hashes: map[uint64]int32{}}
}

func (s *sleepers) hash(id inbox.LaneID) uint64 {
	return maphash.Comparable(s.seed, id)
}

func (s *sleepers) add(id inbox.LaneID) {
	s.hashes[s.hash(id)]++
	s.count++
}

func (s *sleepers) remove(id inbox.LaneID) {
	h := s.hash(id)
	if s.hashes[h]--; s.hashes[h] <= 0 {
		delete(s.hashes, h)
	}
	s.count--
}

// may reports whether a lane may be one of them.
func (s *sleepers) may(id inbox.LaneID) bool {
	return s.count > 0 && s.hashes[s.hash(id)] > 0
}

// loadLanes learns which lanes lag. Those that retry are taken over; the others sleep, but for the first ready ones.
func (p *pump) loadLanes(ctx context.Context, now time.Time) error {
	p.asleep = newSleepers()
	err := p.d.opt.Store.EachLane(ctx, p.name, func(id inbox.LaneID, state inbox.LaneState) {
		if state != inbox.LaneRetry {
			p.asleep.add(id)
			p.rows++
		}
	})
	if err != nil {
		return err
	}
	retrying, err := p.d.opt.Store.Lanes(ctx, p.name, inbox.LaneRetry, 0)
	if err != nil {
		return err
	}
	for i := range retrying {
		row := &retrying[i]
		row.DueAt = p.manifest.Policy.Due(row.DueAt, now, row.Attempt)
		l := p.awake(row.ID)
		l.hadWait = row.Waits
		p.setRow(l, *row)
	}
	return p.takeUp(ctx)
}

// takeUp lets lanes go on that are ready in the store: those that an operator released, and those whose turn had not come.
// Nothing may be on its way to the store.
func (p *pump) takeUp(ctx context.Context) error {
	limit := p.rows - p.asleep.count + lanePage
	rows, err := p.d.opt.Store.Lanes(ctx, p.name, inbox.LaneReady, limit)
	if err != nil {
		return err
	}
	p.asleep.more = len(rows) == limit
	for i := range rows {
		l := p.lanes[rows[i].ID]
		switch {
		case l == nil && p.asleep.may(rows[i].ID):
			l = p.rouse(&rows[i])
		case l != nil && l.state() == inbox.LaneParked:
			p.setRow(l, rows[i])
		default:
			continue // it goes on already
		}
		p.line(l)
	}
	return nil
}

// wantMore has the pump look at the store again when there is room for lanes or runs that only the store holds.
func (p *pump) wantMore(now time.Time) {
	lanes := p.asleep.more && len(p.lined[0]) < lanePage/2
	runs := p.unread && !p.horizon.After(now) && len(p.known) <= runPage/2
	p.stale = p.stale || lanes || runs
}

// awake returns the lane of that name, which does not sleep, made if need be.
func (p *pump) awake(id inbox.LaneID) *lane {
	l := p.lanes[id]
	if l == nil {
		l = &lane{id: id}
		p.lanes[id] = l
	}
	return l
}

// lane returns the lane of that name, made or roused if need be.
func (p *pump) lane(ctx context.Context, id inbox.LaneID) (*lane, error) {
	if p.lanes[id] != nil || !p.asleep.may(id) {
		return p.awake(id), nil
	}
	row, err := p.d.opt.Store.Lane(ctx, p.name, id)
	switch {
	case err != nil:
		return nil, err
	case row == nil:
		return p.awake(id), nil
	}
	l := p.rouse(row)
	p.line(l) // an operator may have released it just now
	return l, nil
}

// lags reports whether a lane has a row. A parked one that is asked for is held in memory for a while: the next event may be
// its own too.
func (p *pump) lags(ctx context.Context, id inbox.LaneID) (bool, error) {
	if l := p.lanes[id]; l != nil {
		return l.row != nil, nil
	}
	if !p.asleep.may(id) {
		return false, nil
	}
	row, err := p.d.opt.Store.Lane(ctx, p.name, id)
	if err != nil || row == nil {
		return false, err
	}
	if row.State == inbox.LaneParked {
		p.rouse(row)
	}
	return true, nil
}

// rouse takes a sleeping lane into memory, by its row in the store.
func (p *pump) rouse(row *inbox.Lane) *lane {
	p.asleep.remove(row.ID)
	l := p.awake(row.ID)
	l.row, l.hadWait = row, row.Waits
	if row.State == inbox.LaneParked {
		p.doze(l, p.handed)
	}
	return l
}

// doze notes that a lane is parked by the settlement of that number, and forgets those that were parked first, if there are
// many. What has not reached the store yet, or has something else to run, stays.
func (p *pump) doze(l *lane, mark int64) {
	if l.dozing || l.state() != inbox.LaneParked {
		return
	}
	l.dozing = true
	s := &p.asleep
	s.queue = append(s.queue, parked{l, mark})
	for len(s.queue) > maxParked && p.stored.Load() >= s.queue[0].mark {
		old := s.queue[0].lane
		s.queue[0] = parked{}
		s.queue = s.queue[1:]
		old.dozing = false
		idle := old != l && old.busy == nil && old.waits == 0 && len(old.queue)+len(old.tail) == 0
		if idle && old.state() == inbox.LaneParked && p.lanes[old.id] == old {
			delete(p.lanes, old.id)
			s.add(old.id)
		}
	}
}
