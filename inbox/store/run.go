package store

import (
	"context"
	"time"

	"inbox/inbox/store/commit"
	"inbox/inbox/store/dedup"
)

// Run commits submitted changes until ctx is done, then commits the queued changes, and returns. An error means that the disk
// loses written data: the store then rejects all changes, and the program must exit. Run may be called once, and only with
// Options.Server. Changes that are submitted earlier stay in the queue until Run starts.
func (s *Store) Run(ctx context.Context) error {
	live, end := context.WithCancel(ctx)
	writing, stop := context.WithCancel(context.WithoutCancel(ctx))
	upkeep := make(chan struct{})
	go func() {
		defer close(upkeep)
		s.upkeep(live)
		stop() // after upkeep, which needs the writer
	}()
	err := s.writer.Run(writing)
	end()
	<-upkeep
	return err
}

// submit queues an op.
func (s *Store) submit(ctx context.Context, o *op) error { return s.writer.Submit(ctx, o) }

// write commits one change and returns when it is durable. ctx bounds only the wait: a queued change is committed even after ctx
// is done.
func (s *Store) write(ctx context.Context, apply func(t *tx) error) error {
	return s.writeSized(ctx, 256, commit.Wait, apply)
}

func (s *Store) writeSized(ctx context.Context, size int, kind commit.Kind, apply func(t *tx) error) error {
	return s.writer.Do(ctx, &op{Kind: kind, Size: size, Apply: apply})
}

// upkeepPause is the time that upkeep waits after a failure, or while the disk is low.
const upkeepPause = 10 * time.Second

// upkeep deletes expired requests and history, and seals digests in the background. Each of its writes is committed in a batch with others.
func (s *Store) upkeep(ctx context.Context) {
	hourly := time.NewTicker(time.Hour)
	defer hourly.Stop()
	for {
		var again <-chan time.Time
		if err := s.upkeepOnce(ctx); err != nil && ctx.Err() == nil {
			s.opt.Log.Warn("upkeep of the store failed; trying again", "error", err)
			again = time.After(upkeepPause)
		}
		if s.Low() {
			again = time.After(upkeepPause)
		}
		select {
		case <-s.sealable:
		case <-hourly.C:
		case <-again:
		case <-ctx.Done():
			return
		}
	}
}

// upkeepOnce does the upkeep that is due.
func (s *Store) upkeepOnce(ctx context.Context) error {
	if err := s.expireRefused(ctx); err != nil {
		return err
	}
	if err := s.expireHistory(ctx); err != nil {
		return err
	}
	if s.Low() {
		return nil // a merge needs disk space for its input and its output
	}
	return s.w.digests.Seal(ctx, sealing{s})
}

// sealing adapts the writer and the readers of a store to [dedup.Store].
type sealing struct{ s *Store }

// Write commits one change and returns when it is durable.
func (a sealing) Write(ctx context.Context, fn func(dedup.Tx) error, committed func()) error {
	return a.s.write(ctx, func(t *tx) error {
		if committed != nil {
			t.after = append(t.after, committed)
		}
		return fn(t.on)
	})
}

// Each runs a query on a read connection.
func (a sealing) Each(ctx context.Context, query string, args []any, fn func(scan func(dest ...any) error) error) error {
	return a.s.each(ctx, query, args, func(row scanner) error { return fn(row.Scan) })
}
