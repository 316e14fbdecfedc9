package bench

import (
	"context"
	"os"
	"slices"
	"time"
)

// flushes overwrites 4 KiB and flushes, n times. A commit costs at least one such flush. It returns the time of each in seconds,
// sorted.
func (l *lab) flushes(ctx context.Context, n int) (took []float64, perSecond float64, err error) {
	f, err := os.CreateTemp(l.dir, "raw-")
	if err != nil {
		return nil, 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page := make([]byte, 4096)
	if _, err := f.Write(page); err != nil {
		return nil, 0, err
	}
	took = make([]float64, 0, n)
	began := time.Now()
	for last := began; len(took) < n && ctx.Err() == nil; {
		if _, err := f.WriteAt(page, 0); err != nil {
			return nil, 0, err
		}
		if err := f.Sync(); err != nil {
			return nil, 0, err
		}
		now := time.Now()
		took = append(took, now.Sub(last).Seconds())
		last = now
	}
	perSecond = float64(len(took)) / time.Since(began).Seconds()
	slices.Sort(took)
	return took, perSecond, ctx.Err()
}
