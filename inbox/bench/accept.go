package bench

import (
	"context"
	"errors"
	"slices"
	"time"
)

// oneProducer compares accepts, one after another, with flushes of the disk alone.
func oneProducer(_ context.Context, l *lab) (comparison, error) {
	n := l.scale(5000)
	list, err := arrivals(n, n, bodySize)
	if err != nil {
		return comparison{}, err
	}
	return comparison{round: func(ctx context.Context) error {
		_, raw, err := l.flushes(ctx, n)
		if err != nil {
			return err
		}
		r, err := l.newFixture(false)
		if err != nil {
			return err
		}
		began := time.Now()
		err = r.fill(ctx, list, 1)
		ours := float64(n) / time.Since(began).Seconds()
		if err := errors.Join(err, r.remove()); err != nil {
			return err
		}
		l.add("disk.fsync", raw)
		l.add("accept.one", ours)
		l.add("accept.one.vs_fsync", ours/raw)
		return nil
	}}, nil
}

// handlerPath compares the complete handler with handlers that do less, and with a naive handler.
func handlerPath(_ context.Context, l *lab) (comparison, error) {
	n := l.scale(30_000)
	list := requests(0, n)
	return comparison{round: func(ctx context.Context) error {
		stored := func(normal bool) (float64, error) {
			r, err := l.newFixture(normal)
			if err != nil {
				return 0, err
			}
			v, err := rate(ctx, newHandler(r), list)
			return v, errors.Join(err, r.remove())
		}
		var got [5]float64
		for i, arm := range []func() (float64, error){
			func() (float64, error) { return stored(false) },
			func() (float64, error) { return rate(ctx, plain(), list) },
			func() (float64, error) { return rate(ctx, newHandler(nullStore{}), list) },
			func() (float64, error) { return stored(true) },
			func() (float64, error) { return l.naiveRate(ctx, list[:n/20]) },
		} {
			var err error
			if got[i], err = arm(); err != nil {
				return err
			}
		}
		l.add("accept.http64", got[0])
		l.add("accept.http64.vs_plain", got[0]/got[1])
		l.add("accept.http64.vs_nostore", got[0]/got[2])
		l.add("accept.full.vs_normal", got[0]/got[3])
		l.add("accept.http64.vs_naive", got[0]/got[4])
		return nil
	}}, nil
}

// answerTimes measures how long a webhook waits for its answer at a tenth of the full rate.
func answerTimes(_ context.Context, l *lab) (comparison, error) {
	n := l.scale(16_000)
	list := requests(0, n)
	return comparison{round: func(ctx context.Context) error {
		took, _, err := l.flushes(ctx, l.scale(3000))
		if err != nil {
			return err
		}
		r, err := l.newFixture(false)
		if err != nil {
			return err
		}
		defer r.remove()
		full, err := rate(ctx, newHandler(r), list[:n/2])
		if err != nil {
			return err
		}
		s, err := listen(newHandler(r))
		if err != nil {
			return err
		}
		gap := time.Duration(float64(time.Second) / (full / 10))
		_, waits, err := drive(ctx, s.address, list[n/2:], func(i int) time.Duration { return time.Duration(i) * gap })
		if err := errors.Join(err, s.close()); err != nil {
			return err
		}
		slices.Sort(waits)
		l.add("accept.paced.p50.vs_fsync", quantile(waits, 0.5)/quantile(took, 0.5))
		l.add("accept.paced.p99.vs_fsync", quantile(waits, 0.99)/quantile(took, 0.5))
		return nil
	}}, nil
}
