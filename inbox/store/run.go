package store

import (
	"context"
	"time"

	"inbox/inbox"
)

// Run writes what is handed in until ctx is done, then what still waits, and returns. An error means that the disk
// does not keep what is written: nothing more is taken, and the program must end. It is for stores opened with
// Options.Server; what is handed in before it begins waits for it.
func (s *Store) Run(ctx context.Context) error {
	stop := make(chan struct{})
	upkeep := make(chan struct{})
	go func() {
		defer close(upkeep)
		s.upkeep(ctx)
	}()
	go func() {
		<-ctx.Done()
		<-upkeep
		s.state.Lock() // whoever is putting something into the queue has done so
		s.closed = true
		s.state.Unlock()
		close(stop)
	}()
	err := s.w.run(stop)
	s.shut()
	return err
}

// shut refuses what comes from now on and what still waits. After a fatal error somebody may be waiting for room in the
// queue, so it is emptied until everyone has noticed.
func (s *Store) shut() {
	closed := make(chan struct{})
	go func() {
		s.state.Lock()
		s.closed = true
		s.state.Unlock()
		close(closed)
	}()
	for {
		select {
		case o := <-s.queue:
			o.done(errStopping)
		case <-closed:
			for {
				select {
				case o := <-s.queue:
					o.done(errStopping)
				default:
					return
				}
			}
		}
	}
}

// submit queues an op. Ops that must not wait (accepts) are refused when the queue is full; others wait.
func (s *Store) submit(ctx context.Context, o *op, wait bool) error {
	s.state.RLock()
	defer s.state.RUnlock()
	switch {
	case s.closed:
		return errStopping
	case !s.opt.Server:
		return s.writeDirect(ctx, o)
	case !wait && s.waiting.Load()+int64(o.size) > s.opt.QueueBytes:
		return errFull
	}
	s.waiting.Add(int64(o.size))
	select {
	case s.queue <- o:
		return nil
	default:
	}
	if !wait {
		s.waiting.Add(-int64(o.size))
		return errFull
	}
	select {
	case s.queue <- o:
		return nil
	case <-ctx.Done():
		s.waiting.Add(-int64(o.size))
		return ctx.Err()
	}
}

// errFull answers an accept that the queue has no room for.
var errFull = inbox.Errorf(inbox.Unavailable, "", "too many events wait for the disk")

// writeDirect makes one change without a writing goroutine, under the process lock.
func (s *Store) writeDirect(ctx context.Context, o *op) error {
	s.direct.Lock()
	defer s.direct.Unlock()
	lock, err := TryLock(s.opt.Dir)
	if err != nil {
		return err
	}
	defer lock.Release()
	if err := s.w.reload(ctx); err != nil { // another process may have written since
		return err
	}
	return s.w.commit([]*op{o})
}

// write makes one change and returns when it is durable. ctx bounds only the wait: what is queued will be made.
func (s *Store) write(ctx context.Context, apply func(t *tx) error) error {
	return s.writeSized(ctx, 256, true, apply)
}

func (s *Store) writeSized(ctx context.Context, size int, wait bool, apply func(t *tx) error) error {
	answer := make(chan error, 1)
	o := &op{size: size, apply: apply, done: func(err error) { answer <- err }}
	if err := s.submit(ctx, o, wait); err != nil {
		return err
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// upkeep does the slow work beside the line, in steps that ride along with other writes.
func (s *Store) upkeep(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	if err := s.dropHalfRuns(ctx); err != nil && ctx.Err() == nil {
		s.opt.Log.Warn("cannot remove half-written runs of digests; the next start tries again", "error", err)
	}
	for {
		if err := s.sealDigests(ctx); err != nil && ctx.Err() == nil {
			s.opt.Log.Warn("cannot seal digests; trying again", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
