package rebuild

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"inbox/inbox"
)

// maxScratch is the largest size of the folded state in memory, in bytes.
const maxScratch = 256 << 20

// page is the number of settled events that one query reads.
const page = 500

// fold is the state as far as it is folded.
type fold struct {
	o      *Options
	lanes  map[inbox.LaneID]*doc
	kv     kvs
	done   seqs  // events that are folded
	newest int64 // seq of the newest of them
	bytes  int64 // of all documents
}

// doc is the document of a lane.
type doc struct {
	state   inbox.State
	subject inbox.LaneID
	seq     int64 // of the event that was folded last
}

func (d *doc) lastSeq() int64 {
	if d == nil {
		return 0
	}
	return d.seq
}

func (d *doc) document(lane inbox.LaneID) inbox.LaneDocument {
	return inbox.LaneDocument{Lane: lane, Subject: d.subject, Seq: d.seq, Document: d.state.Document}
}

func newFold(o *Options) *fold { return &fold{o: o, lanes: map[inbox.LaneID]*doc{}, kv: kvs{}} }

// all folds the settled events of all chosen lanes.
func (f *fold) all(ctx context.Context) error { return f.each(ctx, f.o.Chosen) }

// each folds the settled events of some lanes, all with nil.
func (f *fold) each(ctx context.Context, lanes map[inbox.LaneID]bool) error {
	keys := []inbox.LaneID{{}} // all events
	if lanes != nil && allByKey(lanes) {
		keys = keys[:0]
		for id := range lanes {
			keys = append(keys, id)
		}
		slices.SortFunc(keys, cmpLane)
	}
	for _, key := range keys {
		q := inbox.SettledQuery{Plugin: f.o.Plugin, Key: key, Limit: page}
		for more := true; more; {
			list, err := f.o.Store.Settled(ctx, &q)
			if err != nil {
				return err
			}
			for i := range list {
				if err := f.event(ctx, &list[i], lanes); err != nil {
					return err
				}
				q.After = list[i].Seq
			}
			if more = len(list) == page; f.o.Progress != nil {
				f.o.Progress(q.After)
			}
		}
	}
	return nil
}

// maxByKey is the number of lanes up to which the events of each are read by key. Those of more lanes are found in the whole log.
const maxByKey = 1000

// allByKey reports whether the events of some lanes are found by their keys.
func allByKey(lanes map[inbox.LaneID]bool) bool {
	for id := range lanes {
		if !id.ByKey() || strings.HasPrefix(id.Key, "@") {
			return false
		}
	}
	return len(lanes) <= maxByKey
}

// event folds an event, if it belongs to one of some lanes.
func (f *fold) event(ctx context.Context, e *inbox.Settled, lanes map[inbox.LaneID]bool) error {
	if f.done.has(e.Seq) || !f.o.Manifest.Wants(&e.Event) {
		return nil
	}
	p, err := f.o.Store.Payload(ctx, e.Seq)
	if e.Purged || inbox.KindOf(err) == inbox.NotFound && err != nil {
		if lanes != nil && !slices.ContainsFunc(f.lanesOf(e, nil), func(id inbox.LaneID) bool { return lanes[id] }) {
			return nil
		}
		return failed(&e.Event, f.o.Plugin, "its payload is purged")
	}
	if err != nil {
		return failed(&e.Event, f.o.Plugin, "its payload cannot be read: %v", err)
	}
	for _, lane := range f.lanesOf(e, p.Body) {
		if lanes != nil && !lanes[lane] {
			continue
		}
		if err := f.attempt(ctx, e, p, lane); err != nil {
			return err
		}
	}
	return nil
}

// lanesOf returns the lanes of an event: the lane that the rule makes, and those of customers in which a replay changed state after the key
// of the event was linked. If only a replay changed state, the lane of the rule is left out. A release that uses kv folds an event
// in one lane only, because it would count the event twice.
func (f *fold) lanesOf(e *inbox.Settled, body []byte) []inbox.LaneID {
	lane := f.o.Lane(&e.Event, body)
	if f.o.UsesKV {
		return []inbox.LaneID{lane}
	}
	var linked []inbox.LaneID
	for _, id := range e.Lanes {
		if _, ok := id.Reference(); ok && id != lane && f.o.Lane(asSeen(e.Event, id), body) == id {
			linked = append(linked, id)
		}
	}
	if len(linked) == 0 || slices.Contains(e.Lanes, lane) {
		return append(linked, lane)
	}
	return linked
}

// asSeen returns an event as its attempt in a lane saw it: in the lane of a customer reference it has that reference.
func asSeen(e inbox.Event, lane inbox.LaneID) *inbox.Event {
	if ref, ok := lane.Reference(); ok && e.View.CustomerReference == "" {
		e.View.CustomerReference = ref
	}
	return &e
}

// attempt folds an event into the document of its lane, and into kv. An event that the release filters out is not shown to it.
func (f *fold) attempt(ctx context.Context, e *inbox.Settled, p inbox.Payload, lane inbox.LaneID) error {
	if !f.o.Manifest.Holds(inbox.Scalars(p.Body)) {
		return nil
	}
	d := f.lanes[lane]
	if d == nil {
		d = &doc{}
		f.lanes[lane] = d
	}
	w := &inbox.Work{
		Event: asSeen(e.Event, lane), Payload: p, State: d.state, Now: e.StartedAt,
		Delivery: inbox.Delivery{Plugin: f.o.Plugin, Seq: e.Seq, Attempt: e.Attempt, Lane: lane},
	}
	if f.o.UsesKV {
		w.KV = f.kv.of(lane.Mode)
	}
	if f.o.Fetches {
		list, err := f.o.Store.Journal(ctx, f.o.Plugin, e.Seq, e.Run, e.Attempt)
		if err != nil {
			return failed(&e.Event, f.o.Plugin, "what it fetched cannot be read: %v", err)
		}
		w.Journal = &inbox.Journal{Fetches: list}
	}
	out := f.o.Attempt(ctx, w)
	switch {
	case ctx.Err() != nil:
		return inbox.Errorf(inbox.Unavailable, "rebuild the state of plugin "+f.o.Plugin, "%w; the state stays as it was", ctx.Err())
	case out.Interrupted:
		return failed(&e.Event, f.o.Plugin, "the attempt was interrupted")
	case !out.Result.Settled():
		return failed(&e.Event, f.o.Plugin, "the attempt ended with %s: %s", out.Result, out.Reason[:out.HostWords])
	}
	if err := f.keep(e, d, out.Effects); err != nil {
		return err
	}
	f.done.add(e.Seq)
	f.newest = max(f.newest, e.Seq)
	return nil
}

// keep applies the state and the kv of an attempt.
func (f *fold) keep(e *inbox.Settled, d *doc, effects *inbox.Effects) error {
	d.seq, d.subject = e.Seq, inbox.LaneID{Mode: e.Mode, Key: e.View.Key}
	if effects == nil {
		return nil
	}
	if effects.State != nil {
		f.bytes -= int64(len(d.state.Document))
		d.state = effects.State.Next()
		f.bytes += int64(len(d.state.Document))
	}
	if len(effects.KV) > 0 {
		kv := f.kv.of(e.Mode)
		if keys, bytes := kv.apply(e, effects.KV); keys > inbox.MaxKVKeys || bytes > effects.KVLimit {
			return failed(&e.Event, f.o.Plugin, "kv would have %d keys and %d bytes, more than its quota", keys, bytes)
		}
	}
	if f.bytes > maxScratch {
		return inbox.Errorf(inbox.Conflict, "rebuild the state of plugin "+f.o.Plugin, "the documents have more than %d MiB; the state stays as it was", maxScratch>>20).
			WithHint("choose keys with --key or --customer-reference, some at a time")
	}
	return nil
}

// follow folds events that were settled since. One that was settled late, before others of its lane that are folded already, has its whole lane
// folded again. If kv is folded too, the error is errAgain.
func (f *fold) follow(ctx context.Context, seqs []int64) error {
	slices.Sort(seqs)
	late := map[inbox.LaneID]bool{}
	for part := range slices.Chunk(slices.Compact(seqs), page) {
		list, err := f.o.Store.Settled(ctx, &inbox.SettledQuery{Plugin: f.o.Plugin, Limit: math.MaxInt32, Seqs: part})
		if err != nil {
			return err
		}
		for i := range list {
			if err := f.next(ctx, &list[i], late); err != nil {
				return err
			}
		}
	}
	switch {
	case len(late) == 0:
		return nil
	case f.o.UsesKV:
		return errAgain
	}
	for id := range late {
		f.forget(id)
	}
	return f.again(ctx, late)
}

// restart drops everything that is folded.
func (f *fold) restart() { *f = *newFold(f.o) }

// next folds an event that was settled since, unless it is late.
func (f *fold) next(ctx context.Context, e *inbox.Settled, late map[inbox.LaneID]bool) error {
	again := f.done.has(e.Seq) && len(e.Lanes) > 1 // a replay may have repeated it in another lane
	if f.done.has(e.Seq) && !again || !f.o.Manifest.Wants(&e.Event) {
		return nil
	}
	p, err := f.o.Store.Payload(ctx, e.Seq)
	if err != nil {
		return failed(&e.Event, f.o.Plugin, "its payload cannot be read: %v", err)
	}
	for _, lane := range f.lanesOf(e, p.Body) {
		switch d := f.lanes[lane]; {
		case f.o.Chosen != nil && !f.o.Chosen[lane]:
		case again, late[lane], e.Seq < d.lastSeq(), f.o.UsesKV && e.Seq < f.newest:
			late[lane] = true
		default:
			if err := f.attempt(ctx, e, p, lane); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget drops what is folded of a lane.
func (f *fold) forget(id inbox.LaneID) {
	if d := f.lanes[id]; d != nil {
		f.bytes -= int64(len(d.state.Document))
		delete(f.lanes, id)
	}
}

// again folds some lanes from their begin.
func (f *fold) again(ctx context.Context, lanes map[inbox.LaneID]bool) error {
	kept := f.done
	f.done = seqs{}
	err := f.each(ctx, lanes)
	f.done.merge(&kept)
	return err
}

func cmpLane(a, b inbox.LaneID) int {
	return cmp.Or(cmp.Compare(a.Mode, b.Mode), cmp.Compare(a.Key, b.Key))
}
