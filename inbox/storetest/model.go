package storetest

import (
	"slices"

	"inbox/inbox"
)

// selected returns the seqs that a replay selects.
func (w *World) selected(only inbox.Only) []int64 {
	var seqs []int64
	for _, d := range w.Events {
		switch failed := d.newest.fate == inbox.Dead && d.newest.resolved != inbox.Retried && len(d.Runs) == 0; {
		case only == inbox.OnlyFailed && !failed, only == inbox.OnlyMissing && d.attempts > 0:
		default:
			seqs = append(seqs, d.Seq)
		}
	}
	return seqs
}

// state returns the state of an event, and the seq of the event that it waits for.
func (w *World) state(d *Delivery) (inbox.DeliveryState, int64) {
	l := w.Lanes[d.id]
	switch {
	case len(d.deadLetters) > 0:
		return inbox.StateDead, 0
	case l != nil && l.row != nil && l.row.Next <= d.Seq:
		if head := l.seqs[l.done]; head < d.Seq {
			return inbox.StateWaiting, head
		}
		if l.row.State == inbox.LaneRetry {
			return inbox.StateRetrying, 0
		}
		return inbox.StatePending, 0
	case len(d.Runs) > 0:
		return w.runState(d, l)
	case d.final.fate == inbox.Done:
		return inbox.StateSettled, 0
	case d.final.resolved == inbox.Discarded:
		return inbox.StateDropped, 0
	case d.id == unwanted && d.Seq <= w.storedCursor():
		return inbox.StateFiltered, 0
	}
	return inbox.StatePending, 0
}

// runState returns the state of an event that has run rows. Runs that do not wait are preferred, then runs without attempts.
func (w *World) runState(d *Delivery, l *LaneModel) (inbox.DeliveryState, int64) {
	var best *inbox.Run
	for _, r := range d.Runs {
		if best == nil || best.Waits && !r.Waits || best.Waits == r.Waits && best.Attempt == 0 {
			best = r
		}
	}
	switch {
	case best.Waits && l.row == nil:
		return inbox.StateWaiting, 0
	case best.Waits:
		return inbox.StateWaiting, l.row.Next
	case best.Attempt > 0:
		return inbox.StateRetrying, 0
	}
	return inbox.StatePending, 0
}

func (w *World) storedCursor() int64 {
	p, err := w.s.Record(w.ctx, "p")
	if err != nil {
		w.t.Fatalf("load: %v", err)
	}
	return p.Cursor
}

// Verify compares the store with the model and checks the invariants.
func (w *World) Verify() {
	w.t.Helper()
	w.compare(nil)
	problems, err := w.s.Check(w.ctx, nil)
	if err != nil || len(problems) > 0 {
		w.t.Fatalf("check: %q, %v", problems, err)
	}
}

// compare compares the answers to operators with the model. It compares the traces of one verification, or of all if id is nil.
func (w *World) compare(id *int) {
	w.t.Helper()
	deadLetters := 0
	for _, d := range w.Events {
		deadLetters += len(d.deadLetters)
		if id != nil && d.id != *id {
			continue
		}
		w.verifyTrace(d)
	}
	for _, only := range []inbox.Only{inbox.OnlyAll, inbox.OnlyFailed, inbox.OnlyMissing} {
		want := w.selected(only)
		if n, _, _, err := w.s.CountReplay(w.ctx, inbox.Filter{}, only, []string{"p"}); err != nil || n != int64(len(want)) {
			w.t.Errorf("a replay of %s selects %d events, want %d: %v, %v", only, n, len(want), want, err)
		}
	}
	if list, err := w.s.DeadLetters(w.ctx, inbox.DeadLetterFilter{}); err != nil || len(list) != deadLetters {
		w.t.Errorf("%d dead letters, want %d, %v", len(list), deadLetters, err)
	}
	w.verifyPlugin(deadLetters)
}

// verifyTrace compares the trace of an event with the model.
func (w *World) verifyTrace(d *Delivery) {
	w.t.Helper()
	tr, err := w.s.Trace(w.ctx, d.Seq)
	if err != nil || len(tr.Deliveries) != 1 {
		w.t.Fatalf("trace event %d: %+v, %v", d.Seq, tr, err)
	}
	got := tr.Deliveries[0]
	if state, behind := w.state(d); got.State != state || got.Behind != behind || len(got.Attempts) != d.attempts {
		w.t.Errorf("event %d is %s behind %d after %d attempts, want %s behind %d after %d",
			d.Seq, got.State, got.Behind, len(got.Attempts), state, behind, d.attempts)
	}
}

func (w *World) verifyPlugin(deadLetters int) {
	w.t.Helper()
	want := inbox.PluginRecord{Dead: int64(deadLetters)}
	for _, l := range w.Lanes {
		switch {
		case l.row == nil:
		case l.row.State == inbox.LaneParked:
			want.Parked++
		case l.row.State == inbox.LaneRetry:
			want.Retrying++
		default:
			want.Ready++
		}
	}
	list, err := w.s.Plugins(w.ctx)
	if err != nil || len(list) != 1 {
		w.t.Fatalf("plugins: %+v, %v", list, err)
	}
	got := list[0]
	if got.Dead != want.Dead || got.Parked != want.Parked || got.Retrying != want.Retrying || got.Ready != want.Ready ||
		got.Behind != int64(len(w.Events))-got.Cursor {
		w.t.Errorf("plugin %+v, want %+v", got, want)
	}
}

// ids returns the numbers of the verifications that have a lane, sorted.
func (w *World) ids() []int {
	var ids []int
	for id := range w.Lanes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
