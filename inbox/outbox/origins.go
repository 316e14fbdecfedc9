package outbox

import (
	"context"
	"errors"
	"time"

	"inbox/inbox"
)

// originName names an origin as one plugin meets it. A plugin's failures must not put the requests of another on hold.
type originName struct{ plugin, origin string }

// origin is the state of an origin of one plugin.
type origin struct {
	name     originName
	health   inbox.Health
	stored   inbox.Health          // the hold in the store
	busy     map[inbox.LaneID]bool // lanes with a try that runs, or whose settlement is not durable
	active   int                   // tries that run
	bytes    int64                 // of their requests
	notUntil time.Time             // after a failure of the store
	ahead    ahead
}

// ahead are due effects of an origin that were read and not started. So the store is not asked again for each try.
type ahead struct {
	list     []inbox.Effect
	at       time.Time                      // of the reading
	requests map[int64]*inbox.EffectRequest // of the first effects in list, as far as they were read in bulk
	read     int                            // number of the first effects in list whose requests were asked for
}

// first returns the first effect, and its request, which is nil if it was not read.
func (a *ahead) first() (*inbox.Effect, *inbox.EffectRequest) {
	return &a.list[0], a.requests[a.list[0].ID]
}

// take takes the first effect out of the list.
func (a *ahead) take() { a.list, a.read = a.list[1:], a.read-1 }

// readRequests reads the requests of the first effects, unless they were asked for before.
func (a *ahead) readRequests(ctx context.Context, s Requests) (err error) {
	if a.read > 0 {
		return nil
	}
	ids := make([]int64, min(len(a.list), readRequests))
	for i := range ids {
		ids[i] = a.list[i].ID
	}
	a.requests, err = s.EffectRequests(ctx, ids)
	a.read = len(ids)
	return err
}

// Bounds of what is read ahead. An operator may discard or pause meanwhile what is read, so it gets old soon.
const (
	readAhead    = 256 // effects
	readRequests = 32  // their requests
	maxAge       = 100 * time.Millisecond
)

// fresh reports whether what was read at a time is still used.
func fresh(at, now time.Time) bool {
	age := now.Sub(at)
	return age >= 0 && age < maxAge
}

// origin returns the state of an origin.
func (o *Outbox) origin(row *inbox.EffectOrigin) *origin {
	name := originName{row.Plugin, row.Origin}
	r := o.origins[name]
	if r == nil {
		r = &origin{name: name, health: row.Health, stored: row.Health, busy: map[inbox.LaneID]bool{}}
		o.origins[name] = r
	}
	return r
}

// endHolds ends the holds of the origins of changed plugins: another release may send other requests, and have other grants.
func (o *Outbox) endHolds() {
	o.news.mu.Lock()
	defer o.news.mu.Unlock()
	for name, r := range o.origins {
		if o.news.holds[name.plugin] {
			r.health, r.notUntil = inbox.Health{}, time.Time{}
		}
	}
	clear(o.news.holds)
}

// step starts the tries that are due, as far as the bounds allow, and returns the time until the next step. look means that the
// store may have changed by others than this outbox.
func (o *Outbox) step(tries context.Context, look bool) time.Duration {
	const whenWoken = time.Minute // nothing depends on it: what changes wakes the outbox
	if o.fenced {
		return whenWoken
	}
	if o.opt.Idle() {
		return pause
	}
	switch err := o.look(tries, look); {
	case errors.Is(err, inbox.ErrFenced):
		o.fence()
		return whenWoken
	case err != nil:
		o.opt.Log.Warn("cannot read the outgoing requests; trying again", "error", err)
		return pause
	}
	rows, wait := o.rows.list, whenWoken
	o.turn++
	for i := range rows {
		row := &rows[(o.turn+i)%len(rows)]
		until, err := o.fill(tries, row)
		if err != nil {
			o.opt.Log.Warn("cannot read the outgoing requests; trying again", "plugin", row.Plugin, "origin", row.Origin, "error", err)
			until = pause
		}
		wait = min(wait, until)
	}
	return wait
}

// look reads the origins, if the store may have changed or they were read too long ago.
func (o *Outbox) look(ctx context.Context, changed bool) error {
	now := o.opt.Now()
	if !changed && fresh(o.rows.at, now) {
		return nil
	}
	list, err := o.opt.Store.EffectOrigins(ctx, o.opt.Term)
	if err != nil {
		o.rows = rows{}
		return err
	}
	o.rows = rows{list, now}
	o.forget(list)
	return nil
}

// forget drops the state of origins that are no longer stored, because their plugin was removed.
func (o *Outbox) forget(rows []inbox.EffectOrigin) {
	if len(o.origins) <= len(rows) {
		return
	}
	known := make(map[originName]bool, len(rows))
	for i := range rows {
		known[originName{rows[i].Plugin, rows[i].Origin}] = true
	}
	for name, r := range o.origins {
		if !known[name] && len(r.busy) == 0 {
			delete(o.origins, name)
		}
	}
}

// never is the wait of an origin that starts nothing before a try ends or the store wakes the outbox.
const never = time.Duration(1<<63 - 1)

// fill starts tries to one origin, and returns the time until it may start more.
func (o *Outbox) fill(tries context.Context, row *inbox.EffectOrigin) (time.Duration, error) {
	policy, live := o.opt.Policy(row.Plugin)
	if !live || !sendable(row) {
		return never, nil
	}
	r, now := o.origin(row), o.opt.Now()
	free, wait := o.room(r, now)
	if wait > 0 {
		return wait, nil
	}
	if r.health.OnHold || !fresh(r.ahead.at, now) {
		r.ahead = ahead{}
	}
	left, err := o.startAll(tries, r, policy, free)
	if err != nil || left == 0 {
		return never, err
	}
	if wait, err = o.read(tries, r, &policy, now); err != nil {
		return 0, err
	}
	if left, err = o.startAll(tries, r, policy, left); err != nil || left == 0 {
		return never, err
	}
	return wait, nil // all that is due has started
}

// startAll starts tries of the effects that were read ahead, up to free of them, and returns the number that may start still. It is 0 when a
// request has no room. Then the end of a try makes the next step.
func (o *Outbox) startAll(tries context.Context, r *origin, policy inbox.Policy, free int) (int, error) {
	for ; free > 0 && len(r.ahead.list) > 0; free-- {
		if started, err := o.startNext(tries, r, policy); err != nil || !started {
			return 0, err
		}
	}
	return free, nil
}

// startNext starts a try of the first effect that was read ahead. It returns false when there is no room for the bytes of its request; the
// end of a try makes the next step.
func (o *Outbox) startNext(tries context.Context, r *origin, policy inbox.Policy) (bool, error) {
	if err := r.ahead.readRequests(tries, o.opt.Store); err != nil {
		return false, err
	}
	e, req := r.ahead.first()
	t := &try{origin: r, effect: e, request: req, policy: policy}
	if req == nil { // it is raw, or not small
		t.bytes = e.Size
	}
	if !o.roomFor(r, t.bytes) {
		return false, nil
	}
	r.ahead.take()
	o.start(tries, t)
	return true, nil
}

// read reads due effects of an origin ahead, and returns the time until the next effect is due.
func (o *Outbox) read(ctx context.Context, r *origin, p *inbox.Policy, now time.Time) (time.Duration, error) {
	list, err := o.opt.Store.DueEffects(ctx, r.name.plugin, r.name.origin, readAhead+len(r.busy)+1)
	if err != nil {
		return 0, err
	}
	r.ahead = ahead{at: now}
	next := never
	for i := range list {
		e := &list[i]
		if r.busy[e.Lane.LaneID] {
			continue
		}
		if wait := dueIn(e, p, now); wait > 0 {
			next = min(next, wait) // and go on: an effect whose time was set before the clock was set back is at the end
			continue
		}
		r.ahead.list = append(r.ahead.list, *e)
	}
	return next, nil
}

// sendable reports whether an origin has a request that may be sent at some time.
func sendable(row *inbox.EffectOrigin) bool { return !row.DueAt.IsZero() && !row.Paused }

// room returns the number of tries that may start to an origin, and the time until they may. Without room the end of a try makes the
// next step.
func (o *Outbox) room(r *origin, now time.Time) (free int, wait time.Duration) {
	if free = o.free(r, now); free <= 0 {
		return 0, never
	}
	return free, max(r.notUntil.Sub(now), 0)
}

// free returns the number of tries that may start to an origin. On hold it is one probe, after the hold's wait. A plugin may have as
// many tries as are free for others (dynamic thresholds: Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998). So
// the receivers of one plugin, which all hang, leave half of the tries to others, and those of two leave a third.
func (o *Outbox) free(r *origin, now time.Time) int {
	active, _ := o.usedBy(r.name.plugin)
	share := (o.opt.Total - o.active - active + 1) / 2 // each start takes one from the unused and adds one to the plugin's
	free := min(o.opt.PerOrigin-r.active, share, cap(o.ends)-o.active-o.pending)
	if !r.health.OnHold {
		return free
	}
	if len(r.busy) > 0 {
		return 0
	}
	r.notUntil = later(r.notUntil, r.health.Due(now))
	return min(free, 1)
}

// roomFor reports whether a request of some bytes may be sent to an origin now. The bytes of all requests are bounded, because they are in memory. A plugin
// has at most half of them, and one request at least.
func (o *Outbox) roomFor(r *origin, bytes int64) bool {
	_, used := o.usedBy(r.name.plugin)
	switch {
	case bytes == 0 || o.bytes == 0:
		return true
	case o.bytes+bytes > o.opt.Bytes:
		return false
	}
	return used == 0 || used+bytes <= o.opt.Bytes/2
}

// usedBy returns the number of tries of a plugin that run, and the bytes of their requests.
func (o *Outbox) usedBy(plugin string) (active int, bytes int64) {
	for name, r := range o.origins {
		if name.plugin == plugin {
			active += r.active
			bytes += r.bytes
		}
	}
	return active, bytes
}

// dueIn returns the time until an effect is due. A wait beyond every wait of the policy began before the clock was set back, and is
// over.
func dueIn(e *inbox.Effect, p *inbox.Policy, now time.Time) time.Duration {
	wait := e.DueAt.Sub(now)
	if wait > max(p.Max, inbox.MinWait(e.Tries)) {
		return 0
	}
	return wait
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
