package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"inbox/inbox"
	"inbox/inbox/qoreid"
)

// Sizes of the large log, and of the events in it. They are small: what counts is how many there are.
const (
	small     = 10_000
	million   = 1_000_000
	million10 = 10_000_000
	smallBody = 200
	perKey    = 8
)

// largeLog fills one log up to ten million events, and measures on the way.
func largeLog(_ context.Context, l *lab) (arms, error) {
	dir, err := l.fresh()
	if err != nil {
		return arms{}, err
	}
	return arms{round: func(ctx context.Context) error {
		base, err := l.grow(ctx, dir, 0, small)
		if err != nil {
			return err
		}
		for _, claim := range base {
			l.add("claim.10k", claim*1e6)
		}
		for _, stage := range l.stages() {
			claims, err := l.grow(ctx, dir, stage.from, stage.to)
			if err != nil {
				return err
			}
			for _, claim := range claims {
				l.add(stage.claim, claim/median(base))
			}
			if err := l.startOn(ctx, dir, stage.to); err != nil {
				return err
			}
		}
		return nil
	}}, nil
}

// stage is a size that the log grows to, and what is measured there.
type stage struct {
	from, to int
	claim    string
	yields   []string
}

// stages returns the sizes the log grows to: not beyond what is asked for.
func (l *lab) stages() []stage {
	list := []stage{
		{small, million, "claim.1m.vs_10k", []string{"claim.1m.vs_10k", "start.1m"}},
		{million, million10, "claim.10m.vs_10k", []string{"claim.10m.vs_10k", "start.10m", "memory.10m"}},
	}
	asked := func(s stage) bool {
		return slices.ContainsFunc(s.yields, func(name string) bool { return wanted(l.opt, name) })
	}
	for len(list) > 0 && !asked(list[len(list)-1]) {
		list = list[:len(list)-1]
	}
	return list
}

// largest is how many events the log grows to.
func (l *lab) largest() int {
	if list := l.stages(); len(list) > 0 {
		return list[len(list)-1].to
	}
	return small
}

// claims is how often the time of a claim is measured, one after another: while a log is young, what it does beside the
// line may still be at work.
const claims = 5

// grow fills a log from one number of events to another, and returns the time to find work in it, by growing time.
func (l *lab) grow(ctx context.Context, dir string, from, to int) (found []float64, err error) {
	r, err := open(dir, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	const step = 50_000
	for at := from; at < to; at += step {
		n := min(step, to-at)
		if err := r.fillWith(ctx, n, 512, func(i int) *inbox.Arrival { return unsigned(at + i) }); err != nil {
			return nil, err
		}
		const most = 0.97 // the rest is for what follows
		l.say(most*float64(at+n)/float64(l.largest()), fmt.Sprintf("%d events of %d", at+n, to))
	}
	for range claims {
		claim, err := claimTime(ctx, r, to)
		if err != nil {
			return nil, err
		}
		found = append(found, claim)
	}
	slices.Sort(found)
	return found, nil
}

// unsigned returns the k-th of the small arrivals, verified elsewhere: signing ten million would take longer than what
// is measured.
func unsigned(k int) *inbox.Arrival {
	now := time.Now()
	a := &inbox.Arrival{
		Source: "qoreid", Mode: inbox.Live, Origin: inbox.FromWebhook, SecretName: "bench", ReceivedAt: now, FirstSeen: now,
		Payload: inbox.Payload{Body: body(k/perKey, k, smallBody)},
	}
	a.View = qoreid.Read(a.Payload.Body, qoreid.Rules{})
	return a
}

// claimTime is the median time to find the next work behind a backlog: the log's next events behind a cursor, and the next
// events of one lane. Cursors and lanes are spread over the whole log.
func claimTime(ctx context.Context, r *fixture, events int) (float64, error) {
	const times, batch = 200, 256
	took := make([]float64, 0, times)
	for i := range times {
		at := int64(uint64(i) * 2654435761 % uint64(max(events-batch, 1)))
		key := unsigned(int(at)).View.Key
		began := time.Now()
		next, err := r.EventsAfter(ctx, at, batch)
		if err != nil {
			return 0, err
		}
		lane, err := r.LaneEvents(ctx, inbox.Live, key, 1, int64(events), batch)
		if err != nil {
			return 0, err
		}
		took = append(took, time.Since(began).Seconds())
		if len(next) != batch || len(lane) != perKey {
			return 0, fmt.Errorf("found %d events behind %d, and %d of %s", len(next), at, len(lane), key)
		}
	}
	slices.Sort(took)
	return quantile(took, 0.5), nil
}

// startOn starts the program on a log, looks how long it takes, and what memory it needs under load. What is sent was
// never stored, but for some that is known already.
func (l *lab) startOn(ctx context.Context, dir string, size int) error {
	list := requests(size*10, l.scale(30_000))
	s, err := l.serve(ctx, dir)
	if err != nil {
		return err
	}
	took, err := s.ready(ctx, list[:1])
	if err != nil {
		return err
	}
	if size == million {
		l.add("start.1m", took)
		return s.stop()
	}
	l.add("start.10m", took)
	_, _, err = drive(ctx, s.address, list, nil)
	used, merr := s.resident()
	if err := errors.Join(err, merr, s.stop()); err != nil {
		return err
	}
	l.add("memory.10m", used)
	return nil
}
