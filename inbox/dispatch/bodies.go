package dispatch

import (
	"slices"

	"inbox/inbox"
)

// bodies reads the payloads that filters and lane rules use, many at a time. A page of the log is read in its order, so one
// call of the store reads the payloads of the next events too. It holds the payloads of one call.
type bodies struct {
	ahead []int64 // seqs that will be asked for, ascending
	read  []inbox.PayloadOf
}

// usesBodies reports whether the body decides if the plugin wants an event, or which lane the event belongs to.
func (r *release) usesBodies() bool {
	_, byPointer := r.rule.By.Pointer()
	return byPointer || len(r.manifest.Where) > 0
}

// expect announces the events that are routed next, in the order of the log. Events in settled are not routed.
func (r *release) expect(events []inbox.Event, settled map[int64]bool) {
	r.bodies.ahead, r.bodies.read = r.bodies.ahead[:0], nil
	if !r.usesBodies() {
		return
	}
	for i := range events {
		if r.manifest.Wants(&events[i]) && !settled[events[i].Seq] {
			r.bodies.ahead = append(r.bodies.ahead, events[i].Seq)
		}
	}
}

// payload returns the payload of one event. It reads a payload alone when its event was not announced.
func (b *bodies) payload(k *link, seq int64) (inbox.Payload, error) {
	i := slices.IndexFunc(b.read, func(p inbox.PayloadOf) bool { return p.Seq == seq })
	if i < 0 {
		at, expected := slices.BinarySearch(b.ahead, seq)
		if !expected {
			return k.payload(seq)
		}
		read, err := k.store.Payloads(k.stop, b.ahead[at:])
		if err != nil {
			return inbox.Payload{}, err
		}
		b.read, i = read, 0
	}
	one := b.read[i]
	clear(b.read[:i+1]) // those before it are not needed
	b.read = b.read[i+1:]
	return one.Payload, one.Err
}
