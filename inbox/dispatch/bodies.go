package dispatch

import (
	"context"
	"slices"

	"inbox/inbox"
)

// bodies reads the payloads that filters and lane rules look into, many at a time: a page of the log is looked at in its
// order, so one call of the store reads what the next events will need too. It holds what one call returns.
type bodies struct {
	store Bodies
	ahead []int64 // seqs that will be asked for, ascending
	read  []inbox.PayloadOf
}

// looksIntoBodies reports whether the body says if the plugin wants an event, or which lane it belongs to.
func (p *pump) looksIntoBodies() bool {
	_, byPointer := p.keying.By.Pointer()
	return byPointer || len(p.manifest.Where) > 0
}

// expect tells which events are looked at next, in the order of the log.
func (p *pump) expect(events []inbox.Event) {
	p.bodies.ahead, p.bodies.read = p.bodies.ahead[:0], nil
	if !p.looksIntoBodies() {
		return
	}
	for i := range events {
		if p.manifest.Wants(&events[i]) && !p.settled[events[i].Seq] {
			p.bodies.ahead = append(p.bodies.ahead, events[i].Seq)
		}
	}
}

// payload returns the payload of one event. It is read by itself when the event was not expected.
func (b *bodies) payload(ctx context.Context, seq int64) (inbox.Payload, error) {
	i := slices.IndexFunc(b.read, func(p inbox.PayloadOf) bool { return p.Seq == seq })
	if i < 0 {
		at, expected := slices.BinarySearch(b.ahead, seq)
		if !expected {
			return b.store.Payload(ctx, seq)
		}
		read, err := b.store.Payloads(ctx, b.ahead[at:])
		if err != nil {
			return inbox.Payload{}, err
		}
		b.read, i = read, 0
	}
	one := b.read[i]
	clear(b.read[:i+1]) // those before it were passed over
	b.read = b.read[i+1:]
	return one.Payload, one.Err
}
