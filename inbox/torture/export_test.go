package torture

import (
	"context"
	"time"
)

// Judge holds the samples of a soak against each other.
func Judge(r *Report) { r.judge() }

// Ended has a server run its plugins, has something done to the store that it leaves, has another life of it take an event, and
// lets everything come to its end.
func Ended(ctx context.Context, o Options, do func(data string) error) (*Report, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	t := &tormentor{opt: o, dir: o.Dir, data: o.Dir + "/epoch", report: newReport(o.Seed), began: time.Now()}
	if err := t.begin(ctx); err != nil {
		return nil, err
	}
	for life := range 2 {
		t.round = life // or both would send the same body
		s, err := t.start(ctx, arms{})
		if err != nil {
			return nil, err
		}
		t.accepts(ctx, s, harm{})
		if life == 0 {
			t.zero(ctx, `SELECT (SELECT count(*) FROM plugins WHERE live <> '') < 3`, o.Drain)
		}
		s.stop(t)
		s.finish(t)
		if life == 0 {
			if err := do(t.data); err != nil {
				return nil, err
			}
		}
	}
	err := t.end(ctx)
	return t.report, err
}
