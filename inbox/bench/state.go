package bench

import (
	"context"
	"errors"

	"inbox/inbox"
)

// stateDeliveries compares deliveries that each write a state document of 1 KiB with the same deliveries without.
func stateDeliveries(ctx context.Context, l *lab) (comparison, error) {
	n := l.scale(30_000)
	list, err := arrivals(n, 10_000, bodySize)
	if err != nil {
		return comparison{}, err
	}
	return l.versus(ctx, "deliver.state", keeper, list)
}

// effectDeliveries compares deliveries that each ask for a request, which is stored and not sent, with the same deliveries without.
func effectDeliveries(ctx context.Context, l *lab) (comparison, error) {
	n := l.scale(20_000)
	list, err := arrivals(n, 10_000, bodySize)
	if err != nil {
		return comparison{}, err
	}
	return l.versus(ctx, "deliver.effect", asker, list, crm)
}

// counterDeliveries compares deliveries of 64 lanes that all increment one key of kv with the same deliveries without.
func counterDeliveries(ctx context.Context, l *lab) (comparison, error) {
	n := l.scale(20_000)
	list, err := arrivals(n, 64, bodySize)
	if err != nil {
		return comparison{}, err
	}
	return l.versus(ctx, "deliver.counter", counter, list)
}

// versus compares the deliveries of a log through a guest, which may ask for requests to the origins of allow, with those through
// the guest that does nothing. It alternates which goes first.
func (l *lab) versus(ctx context.Context, name string, wasm []byte, list []*inbox.Arrival, allow ...string) (comparison, error) {
	g, err := l.guest(ctx, wasm, inbox.ByKey, allow...)
	if err != nil {
		return comparison{}, err
	}
	p, err := l.guest(ctx, noop, inbox.ByKey)
	if err != nil {
		return comparison{}, errors.Join(err, g.close())
	}
	first := false
	return comparison{end: func() error { return errors.Join(g.close(), p.close()) }, round: func(ctx context.Context) error {
		guests, rates := []*guest{p, g}, make([]float64, 2)
		first = !first
		for i := range guests {
			if first {
				i = len(guests) - 1 - i
			}
			if rates[i], err = l.deliverNew(ctx, guests[i], list); err != nil {
				return err
			}
		}
		l.add(name, rates[1])
		l.add(name+".vs_plain", rates[1]/rates[0])
		return nil
	}}, nil
}

// deliverNew delivers a log in a new store, and returns deliveries per second.
func (l *lab) deliverNew(ctx context.Context, g *guest, list []*inbox.Arrival) (float64, error) {
	r, err := l.filled(ctx, list)
	if err != nil {
		return 0, err
	}
	defer r.remove()
	return g.deliver(ctx, r, len(list))
}
