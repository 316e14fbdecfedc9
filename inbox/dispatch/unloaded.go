package dispatch

import (
	"hash/maphash"
	"time"

	"inbox/inbox"
)

// Bounds of the lanes with a row that are in memory.
const (
	maxParked = 512 // parked ones
	lanePage  = 128 // ready ones that are loaded at a time: twice the highest concurrency
)

// bounds limits the waiting lanes and runs in a loop's memory.
type bounds struct {
	parked int // parked lanes
	runs   int // runs with a row that are loaded at a time
}

// unloadedLanes holds hashes of the names of lanes in state unloaded: most parked lanes, and, after many were retried at
// once, ready lanes whose turn has not come. The store holds their rows. Hashes may collide; the store then answers that the
// lane does not lag.
type unloadedLanes struct {
	seed   maphash.Seed
	hashes map[uint64]int32 // number of lanes with the hash
	count  int
	more   bool         // some of them may be ready
	queue  []parkedLane // parked lanes in memory, in the order in which they were parked
}

// parkedLane is a lane in memory that may be unloaded once the settlement with its row is durable.
type parkedLane struct {
	lane *lane
	mark int64 // number of that settlement
}

func newUnloadedLanes() unloadedLanes {
	return unloadedLanes{seed: maphash.MakeSeed(), hashes: map[uint64]int32{}}
}

func (u *unloadedLanes) hash(id inbox.LaneID) uint64 { return maphash.Comparable(u.seed, id) }

func (u *unloadedLanes) add(id inbox.LaneID) {
	u.hashes[u.hash(id)]++
	u.count++
}

func (u *unloadedLanes) remove(id inbox.LaneID) {
	h := u.hash(id)
	if u.hashes[h]--; u.hashes[h] <= 0 {
		delete(u.hashes, h)
	}
	u.count--
}

// may reports whether a lane may be one of them.
func (u *unloadedLanes) may(id inbox.LaneID) bool {
	return u.count > 0 && u.hashes[u.hash(id)] > 0
}

// loadAll reads which lanes lag. It loads those in retry and the first ready ones; the others stay unloaded.
func (ls *lanes) loadAll(now time.Time) error {
	ls.unloaded = newUnloadedLanes()
	err := ls.link.store.EachLane(ls.link.stop, ls.link.plugin, func(id inbox.LaneID, state inbox.LaneState) {
		if state != inbox.LaneRetry {
			if ls.moved != nil {
				ls.moved(absent, unloaded)
			}
			ls.unloaded.add(id)
			ls.rows++
		}
	})
	if err != nil {
		return err
	}
	inRetry, err := ls.link.store.Lanes(ls.link.stop, ls.link.plugin, inbox.LaneRetry, 0)
	if err != nil {
		return err
	}
	for i := range inRetry {
		row := &inRetry[i]
		row.DueAt = ls.release.manifest.Policy.Due(row.DueAt, now, row.Attempt)
		l := ls.get(row.ID)
		l.hadWait = row.Waits
		ls.setRow(l, *row)
	}
	return ls.loadReady()
}

// loadReady lets lanes go on that are ready in the store: those that an operator released, and those whose turn had not come.
// No settlement may be in flight.
func (ls *lanes) loadReady() error {
	limit := ls.rows - ls.unloaded.count + lanePage
	rows, err := ls.link.store.Lanes(ls.link.stop, ls.link.plugin, inbox.LaneReady, limit)
	if err != nil {
		return err
	}
	ls.unloaded.more = len(rows) == limit
	for i := range rows {
		l := ls.byID[rows[i].ID]
		switch {
		case l == nil && ls.unloaded.may(rows[i].ID):
			l = ls.load(&rows[i])
		case l != nil && l.state == parked:
			ls.setRow(l, rows[i])
		default:
			continue // it goes on already
		}
		ls.enqueue(l)
	}
	return nil
}

// wantsMore reports whether the ready queue has room for ready lanes that only the store holds.
func (ls *lanes) wantsMore() bool {
	return ls.unloaded.more && len(ls.ready.first) < lanePage/2
}

// load takes an unloaded lane into memory, by its row in the store.
func (ls *lanes) load(row *inbox.Lane) *lane {
	ls.unloaded.remove(row.ID)
	l := ls.add(row.ID, unloaded)
	l.row, l.hadWait = row, row.Waits
	if row.State != inbox.LaneParked {
		l.move(idle)
		return l
	}
	l.move(parked)
	ls.mayUnload(l, ls.link.submitted)
	return l
}

// mayUnload notes that the settlement of that number parks a lane. It unloads the lanes that were parked first if there are
// too many. A lane stays while its row is not durable, or while it has another run in memory.
func (ls *lanes) mayUnload(l *lane, mark int64) {
	if l.listed || l.state != parked {
		return
	}
	l.listed = true
	u := &ls.unloaded
	u.queue = append(u.queue, parkedLane{l, mark})
	for len(u.queue) > ls.bound && ls.link.durable(u.queue[0].mark) {
		old := u.queue[0].lane
		u.queue[0] = parkedLane{}
		u.queue = u.queue[1:]
		old.listed = false
		if old != l && old.state == parked && old.unused() && ls.byID[old.id] == old {
			old.move(unloaded)
			delete(ls.byID, old.id)
			u.add(old.id)
		}
	}
}
