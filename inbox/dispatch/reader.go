package dispatch

import "inbox/inbox"

// reader reads the log behind the cursor and enqueues the events that the plugin wants.
type reader struct {
	link      *link
	release   *release
	cursor    *cursor
	lanes     *lanes
	settled   map[int64]bool         // seqs above the stored cursor that a former process settled
	overtaken map[inbox.LaneID]int64 // the newest of them per lane: earlier events of the lane are overtaken
	more      bool                   // the log may hold events above those read
	next      <-chan page            // the next events, while they are being read; nil: no read is under way
}

// page holds the events of the log after a seq. It is read while the loop works on the events before.
type page struct {
	after  int64
	events []inbox.Event
	err    error
}

// load reads which events above the cursor need no run: those with a final attempt, and those that a later event of their
// lane has overtaken. The latter happens only to events that the plugin did not want at the time.
func (r *reader) load() error {
	seqs, err := r.link.store.SettledAbove(r.link.stop, r.link.plugin, 0, r.cursor.scanned)
	if err != nil {
		return err
	}
	r.settled, r.overtaken = make(map[int64]bool, len(seqs)), map[inbox.LaneID]int64{}
	for _, seq := range seqs {
		r.settled[seq] = true
	}
	for at, left := r.cursor.scanned, len(seqs); left > 0; {
		events, err := r.link.store.EventsAfter(r.link.stop, at, readAhead)
		if err != nil || len(events) == 0 {
			return err
		}
		for i := range events {
			e := &events[i]
			if at = e.Seq; r.settled[e.Seq] {
				_, id, err := r.release.route(e)
				if err != nil {
					return err
				}
				r.overtaken[id] = e.Seq
				left--
			}
		}
	}
	return nil
}

// readLog reads the log and enqueues the events that the plugin wants, while there is room for them.
func (r *reader) readLog() error {
	for r.more && r.cursor.hasRoom() && !r.draining() {
		events, fresh, err := r.following()
		if err != nil {
			return err
		}
		full := len(events) == readAhead
		if full {
			r.prefetch(events[readAhead-1].Seq)
		}
		r.more = full || !fresh
		r.release.expect(events, r.settled)
		for i := range events {
			if err := r.enqueue(&events[i]); err != nil {
				return err
			}
		}
		r.lanes.wasRead()
	}
	return nil
}

// prefetch starts to read the log after a seq, on a goroutine of its own: behind a backlog, reads were half of the loop's work.
func (r *reader) prefetch(after int64) {
	next := make(chan page, 1)
	r.next = next
	link := r.link
	go func() {
		events, err := link.store.EventsAfter(link.stop, after, readAhead)
		next <- page{after, events, err}
	}()
}

// following returns the next events of the log. fresh is false for prefetched ones: the log may have grown since they were read.
func (r *reader) following() (events []inbox.Event, fresh bool, err error) {
	if r.next != nil {
		p := <-r.next
		r.next = nil
		if p.after == r.cursor.scanned && p.err == nil {
			return p.events, false, nil
		}
	}
	events, err = r.link.store.EventsAfter(r.link.stop, r.cursor.scanned, readAhead)
	return events, true, err
}

// close waits for a read under way.
func (r *reader) close() {
	if r.next != nil {
		<-r.next
		r.next = nil
	}
}

// enqueue adds the next event of the log to its lane.
func (r *reader) enqueue(e *inbox.Event) error {
	if r.settled[e.Seq] {
		delete(r.settled, e.Seq)
		r.cursor.scanned = e.Seq
		return nil
	}
	wanted, id, err := r.release.route(e)
	if err != nil {
		return err
	}
	r.cursor.scanned = e.Seq
	if !wanted {
		r.cursor.filtered = append(r.cursor.filtered, e.Seq)
	}
	if !wanted || e.Seq <= r.overtaken[id] {
		return nil
	}
	switch lags, err := r.lanes.lags(id); {
	case err != nil:
		return err
	case lags:
		return nil // the lane reads it through its row, or has passed it
	}
	l := r.lanes.get(id)
	r.cursor.window.open(e.Seq)
	l.queue = append(l.queue, item{event: e, routed: r.release.manifest})
	r.lanes.enqueue(l)
	return nil
}

// stillWanted reports whether the release that runs wants the head of a lane, which has just left the ready queue. A first run
// that was enqueued for the release before, and that this one does not want, is filtered as if it had been read only now.
func (r *reader) stillWanted(l *lane) (bool, error) {
	head := l.head()
	if !head.first() || head.routed == r.release.manifest {
		return true, nil
	}
	wanted, _, err := r.release.route(head.event)
	if err != nil || wanted {
		head.routed = r.release.manifest
		return wanted, err
	}
	seq := head.event.Seq
	l.queue = l.queue[1:]
	if l.row == nil {
		r.cursor.filter(seq)
	} else {
		s := &inbox.Settlement{}
		if err := r.lanes.advance(l, seq+1, s); err != nil {
			return false, err
		}
		s.Position.Filtered = 1
		r.cursor.move(s, r.link.now())
		r.link.submit(s)
	}
	r.lanes.requeue(l)
	return false, nil
}

// full reports whether the window has no room for events that the log may hold.
func (r *reader) full() bool { return r.more && !r.cursor.hasRoom() && !r.draining() }

// evict makes room in a full window: the lane that fills it, or that stops the cursor, gets a row. Its events leave the
// window and are read again through the row. It reports whether it found such a lane.
func (r *reader) evict() bool {
	l := r.fullest()
	if l == nil {
		return false
	}
	now := r.link.now()
	row := inbox.Lane{ID: l.id, Next: l.oldest(), State: inbox.LaneReady, Since: now}
	r.lanes.uncover(l, readAhead)
	r.lanes.setRow(l, row)
	s := &inbox.Settlement{Lane: inbox.LaneChange{Put: &row}}
	r.cursor.move(s, now)
	r.link.submit(s)
	return true
}

// fullest returns the lane without a row that keeps the window full. That is the lane that holds the cursor when the log was
// read too far beyond the cursor, else the lane with the most events. nil: no lane has first runs.
func (r *reader) fullest() *lane {
	var longest *lane
	oldest, ahead := r.cursor.low()+1, r.cursor.window.size() < maxOpen
	for _, l := range r.lanes.byID {
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

// changeRule makes the lanes by the manifest's rule, once no lane of the stored rule has anything left to run. Until then the
// stored rule goes on: an event must not be in two lanes. After a start that includes the events before those that a former
// process settled above the cursor. The next start knows by the lanes of the settled events which events they passed.
func (r *reader) changeRule() {
	lanes := r.lanes
	if r.release.rule == r.release.wanted || lanes.rows > 0 || r.cursor.window.size() > 0 || len(lanes.byID) > 0 || len(r.settled) > 0 {
		return
	}
	r.release.useWantedRule()
}

// draining reports whether no new event may be read, so that changeRule gets its moment.
func (r *reader) draining() bool {
	return r.release.rule != r.release.wanted && r.lanes.rows == 0 && len(r.settled) == 0
}
