package dispatch

import (
	"container/heap"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"inbox/inbox"
)

// feed reads the log on and queues what the plugin wants.
func (p *pump) feed() {
	for p.more && p.room() && !p.draining() {
		events, fresh, err := p.following()
		if err != nil {
			p.reset(err)
			return
		}
		full := len(events) == readAhead
		if full {
			p.fetch(events[readAhead-1].Seq)
		}
		p.more = full || !fresh
		p.expect(events)
		for i := range events {
			if err := p.see(p.d.stop, &events[i]); err != nil {
				p.reset(err)
				return
			}
		}
		p.meet()
	}
	if !p.draining() {
		p.feedJobs(p.now())
	}
}

// fetched is what the log holds after a seq, read while the pump is busy with what comes before.
type fetched struct {
	after  int64
	events []inbox.Event
	err    error
}

// fetch reads on in the log, beside the pump: behind a backlog, reading was half of the pump's work.
func (p *pump) fetch(after int64) {
	next := make(chan fetched, 1)
	p.next = next
	store, stop := p.d.opt.Store, p.d.stop
	go func() {
		events, err := store.EventsAfter(stop, after, readAhead)
		next <- fetched{after, events, err}
	}()
}

// following returns the next events of the log. They are fresh if they were read just now: if not, the log may have
// gained others since.
func (p *pump) following() (events []inbox.Event, fresh bool, err error) {
	if p.next != nil {
		f := <-p.next
		p.next = nil
		if f.after == p.scanned && f.err == nil {
			return f.events, false, nil
		}
	}
	events, err = p.d.opt.Store.EventsAfter(p.d.stop, p.scanned, readAhead)
	return events, true, err
}

// meet lets lanes go on whose next event is no longer ahead of what was looked at. They are ahead after a start: the
// cursor may be stored behind what its lanes have settled.
func (p *pump) meet() {
	ahead := p.ahead
	p.ahead = nil
	for _, l := range ahead {
		p.line(l)
	}
}

// room reports whether more of the log may be held in memory.
func (p *pump) room() bool {
	return p.open.size() < maxOpen && p.scanned-p.open.low(p.scanned) < maxSpan
}

// see takes the next event of the log.
func (p *pump) see(ctx context.Context, e *inbox.Event) error {
	if p.settled[e.Seq] {
		delete(p.settled, e.Seq)
		p.scanned = e.Seq
		return nil
	}
	wanted, id, err := p.sort(ctx, e)
	if err != nil {
		return err
	}
	p.scanned = e.Seq
	if !wanted {
		p.skipped = append(p.skipped, e.Seq)
	}
	if !wanted || e.Seq <= p.passed[id] {
		return nil
	}
	switch lags, err := p.lags(ctx, id); {
	case err != nil:
		return err
	case lags:
		return nil // behind the lane's next event, or passed by it
	}
	l := p.awake(id)
	p.open.open(e.Seq)
	l.queue = append(l.queue, item{event: e, sorted: p.manifest})
	p.line(l)
	return nil
}

// stillWanted reports whether the release that runs wants the head of a lane. A first run that was queued for the release
// before it, and that this one does not want, is passed as it would have been if it had been read only now.
func (p *pump) stillWanted(l *lane) (bool, error) {
	head := l.head()
	if !head.first() || head.sorted == p.manifest {
		return true, nil
	}
	wanted, _, err := p.sort(p.d.stop, head.event)
	if err != nil || wanted {
		head.sorted = p.manifest
		return wanted, err
	}
	s, seq := &inbox.Settlement{}, head.event.Seq
	l.queue = l.queue[1:]
	if l.row == nil {
		p.open.settle(seq)
		at, _ := slices.BinarySearch(p.skipped, seq)
		p.skipped = slices.Insert(p.skipped, at, seq)
	} else if err := p.advance(p.d.stop, l, seq+1, s); err != nil {
		return false, err
	} else {
		s.Filtered = 1
		p.moveCursor(s)
		p.settle(s)
	}
	p.line(l)
	return false, nil
}

// sort says whether the plugin wants the event, and in which lane it stands. An event whose payload is damaged is
// wanted if its row says so: the attempt will report the damage.
func (p *pump) sort(ctx context.Context, e *inbox.Event) (bool, inbox.LaneID, error) {
	m := p.manifest
	if !m.Wants(e) {
		return false, inbox.LaneOf(e, p.keying.Order, inbox.KeyByKey, nil), nil
	}
	nowhere := func(string) (string, bool) { return "", false }
	if !p.looksIntoBodies() {
		return true, p.keying.Lane(e, nowhere), nil
	}
	payload, err := p.bodies.payload(ctx, e.Seq)
	if err != nil {
		if inbox.KindOf(err) == inbox.Unavailable || ctx.Err() != nil {
			return false, inbox.LaneID{}, err
		}
		return true, p.keying.Lane(e, nowhere), nil
	}
	at := inbox.Scalars(payload.Body)
	return m.Holds(at), p.keying.Lane(e, inbox.Digested(at.Text, p.d.opt.Store.LaneDigest)), nil
}

// setRow gives the lane a row, in memory.
func (p *pump) setRow(l *lane, row inbox.Lane) {
	if l.row == nil {
		p.rows++
	}
	l.row = &row
	switch row.State {
	case inbox.LaneRetry:
		heap.Push(&p.due, timer{at: row.DueAt, lane: l})
	case inbox.LaneParked:
		p.doze(l, p.handed+1+int64(len(l.tail))) // the settlement with the row follows those that store its tail
	}
}

// cover settles in the window what a lane's new row stands for, and forgets all but what may soon be run.
func (p *pump) cover(l *lane, keep int) {
	if l.busy != nil && l.busy.first() {
		p.open.settle(l.busy.event.Seq)
	}
	for i := range l.queue {
		p.open.settle(l.queue[i].event.Seq)
	}
	l.queue = slices.Clone(l.queue[:min(len(l.queue), keep)])
}

// spill makes room when the window is full of events that wait for each other while there would be room for other
// attempts: the lane that fills it, or that stopped the cursor, goes on by a row. It reports whether it did.
func (p *pump) spill() bool {
	full := p.more && !p.room() && !p.draining()
	if !full || !p.loaded || !p.spare() || len(p.lined[0]) > 0 {
		return false
	}
	worst := p.worst()
	if worst == nil {
		return false
	}
	row := inbox.Lane{ID: worst.id, Next: worst.oldest(), State: inbox.LaneReady, Since: p.now()}
	p.cover(worst, readAhead)
	p.setRow(worst, row)
	s := &inbox.Settlement{Lane: &row}
	p.moveCursor(s)
	p.settle(s)
	return true
}

// worst returns the lane without a row that keeps the window full: the one that holds the cursor when the log was looked
// at too far ahead of it, else the longest. nil: none has first runs.
func (p *pump) worst() *lane {
	var longest *lane
	oldest, ahead := p.open.low(p.scanned)+1, p.open.size() < maxOpen
	for _, l := range p.lanes {
		switch {
		case !l.open():
		case ahead && l.oldest() == oldest:
			return l
		case longest == nil || len(l.queue) > len(longest.queue):
			longest = l
		}
	}
	return longest
}

// catchUp reads a lane with a row on. It reports whether the lane may have something to run.
func (p *pump) catchUp(l *lane) bool {
	// Only the row knows that what lies between is settled, and how often its next event was tried.
	if l.row.Next > p.scanned+1 || l.row.Next > p.scanned && l.row.Attempt > 0 {
		p.ahead = append(p.ahead, l)
		return false
	}
	s := &inbox.Settlement{}
	if err := p.advance(p.d.stop, l, l.row.Next, s); err != nil {
		p.chain.Break()
		p.d.opt.Log.Error("cannot read a lane on", "plugin", p.name, "error", err)
		return false
	}
	if s.LaneGone != nil {
		p.settle(s)
	}
	return true
}

// advance moves a lane with a row to its next event at or after from, which it puts at the head of the queue, or
// deletes the row when there is none up to what was looked at. The change is added to s.
func (p *pump) advance(ctx context.Context, l *lane, from int64, s *inbox.Settlement) error {
	if len(l.queue) == 0 {
		events, err := p.read(ctx, l.id, from)
		if err != nil {
			return err
		}
		for i := range events {
			l.queue = append(l.queue, item{event: &events[i], sorted: p.manifest})
		}
	}
	if len(l.queue) > 0 {
		if next := l.queue[0].event.Seq; next != l.row.Next {
			l.row.Next, l.row.Attempt, l.row.Tries = next, 0, 0
		}
		l.row.State, l.row.DueAt = inbox.LaneReady, time.Time{}
		row := *l.row
		s.Lane = &row
		return nil
	}
	if l.hadWait { // they become due with this settlement, and are taken over once it is stored
		p.stale = true
	}
	l.row, l.hadWait = nil, false
	p.rows--
	id := l.id
	s.LaneGone = &id
	return nil
}

// read returns the next events of a lane that the plugin wants, from a seq up to what was looked at.
func (p *pump) read(ctx context.Context, id inbox.LaneID, from int64) ([]inbox.Event, error) {
	for from <= p.scanned {
		events, err := p.candidates(ctx, id, from)
		if err != nil || len(events) == 0 {
			return nil, err
		}
		from = events[len(events)-1].Seq + 1
		p.expect(events)
		kept := events[:0]
		for i := range events {
			wanted, lane, err := p.sort(ctx, &events[i])
			if err != nil {
				return nil, err
			}
			if wanted && lane == id && events[i].Seq <= p.scanned {
				kept = append(kept, events[i])
			}
		}
		if len(kept) > 0 {
			return kept, nil
		}
	}
	return nil, nil
}

// candidates returns events that may belong to a lane: by the index of keys where the lane is a key, else by reading
// the log, which is what ordering by a pointer costs when it lags.
func (p *pump) candidates(ctx context.Context, id inbox.LaneID, from int64) ([]inbox.Event, error) {
	store := p.d.opt.Store
	switch {
	case p.keying.Order == inbox.Unsorted:
		seq, err := strconv.ParseInt(id.Key[strings.LastIndexByte(id.Key, '/')+1:], 10, 64)
		if err != nil || seq < from {
			return nil, err
		}
		return store.EventsAfter(ctx, seq-1, 1)
	case !strings.HasPrefix(id.Key, "@"), strings.HasPrefix(id.Key, "@seq/"):
		return store.LaneEvents(ctx, id.Mode, id.Key, from, p.scanned, readAhead)
	case strings.HasPrefix(id.Key, "@ref/"):
		return store.ReferenceEvents(ctx, id.Mode, strings.TrimPrefix(id.Key, "@ref/"), from, p.scanned, readAhead)
	}
	return store.EventsAfter(ctx, from-1, readAhead)
}
