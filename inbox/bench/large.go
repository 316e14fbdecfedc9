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

// Sizes of the large log, and of its events. The events are small, because only their number matters.
const (
	small      = 10_000
	million    = 1_000_000
	tenMillion = 10_000_000
	smallBody  = 200
	perKey     = 8
)

// largeLog fills one log with up to ten million events, and measures at each stage.
func largeLog(_ context.Context, l *lab) (comparison, error) {
	dir, err := l.newDir()
	if err != nil {
		return comparison{}, err
	}
	return comparison{round: func(ctx context.Context) error {
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

// stage is a size of the log, with the figures that are measured at it.
type stage struct {
	from, to int
	claim    string
	figures  []string
}

// stages returns the stages up to the last one with a wanted figure.
func (l *lab) stages() []stage {
	list := []stage{
		{small, million, "claim.1m.vs_10k", []string{"claim.1m.vs_10k", "start.1m"}},
		{million, tenMillion, "claim.10m.vs_10k", []string{"claim.10m.vs_10k", "start.10m", "memory.10m"}},
	}
	asked := func(s stage) bool {
		return slices.ContainsFunc(s.figures, func(name string) bool { return wanted(l.opt, name) })
	}
	for len(list) > 0 && !asked(list[len(list)-1]) {
		list = list[:len(list)-1]
	}
	return list
}

// largest returns the number of events of the last stage.
func (l *lab) largest() int {
	if list := l.stages(); len(list) > 0 {
		return list[len(list)-1].to
	}
	return small
}

// claims is the number of measurements of a claim, one after another. Background work of a new log may still disturb the first ones.
const claims = 5

// grow fills a log from one number of events to another. It returns the times of claims in seconds, sorted.
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
		const share = 0.97 // of the trial's time; the measurements take the rest
		l.progress(share*float64(at+n)/float64(l.largest()), fmt.Sprintf("%d events of %d", at+n, to))
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

// unsigned returns the k-th small arrival without a signature: to sign ten million would take longer than the measurement.
func unsigned(k int) *inbox.Arrival {
	now := time.Now()
	a := &inbox.Arrival{
		Source: "qoreid", Mode: inbox.Live, Origin: inbox.FromWebhook, SecretName: "bench", ReceivedAt: now, FirstSeen: now,
		Payload: inbox.Payload{Body: body(k/perKey, k, smallBody)},
	}
	a.View = qoreid.Read(a.Payload.Body, qoreid.Rules{})
	return a
}

// claimTime returns the median time to find the next work in a backlog: the next events after a cursor, and the next events of one
// lane. Cursors and lanes are spread over the whole log.
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

// startOn starts the program on a log. It measures the time of the start and the memory under load. Almost all sent events are new.
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
