package store

import (
	"context"
	"time"

	"inbox/inbox"
	"inbox/inbox/datadir"
)

// Run writes what is handed in until ctx is done, then what still waits, and returns. An error means that the disk
// does not keep what is written: nothing more is taken, and the program must end. It is for stores opened with
// Options.Server, and runs once; what is handed in before it begins waits for it.
func (s *Store) Run(ctx context.Context) error {
	if !s.opt.Server || s.begun.Swap(true) {
		return inbox.Errorf(inbox.Internal, "run the store", "it was not opened for a server, or runs already")
	}
	live, end := context.WithCancel(ctx)
	stop, upkeep := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(upkeep)
		s.upkeep(live)
	}()
	go func() {
		<-live.Done()
		<-upkeep
		s.state.Lock() // whoever is putting something into the queue has done so
		s.closed = true
		s.state.Unlock()
		close(stop)
	}()
	err := s.w.run(stop)
	end()
	s.shut()
	<-stop
	if err != nil { // whoever waited was told to come again; for this process it is the end
		return inbox.Errorf(inbox.Internal, "", "%w", err)
	}
	return nil
}

// shut refuses what comes from now on and what still waits. After a fatal error somebody may be waiting for room in the
// queue, so it is emptied until everyone has noticed.
func (s *Store) shut() {
	turnDown := func(o *op) {
		s.taken(o)
		o.done(errStopping)
	}
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
			turnDown(o)
		case o := <-s.refusedQueue.queue:
			turnDown(o)
		case <-closed:
			for {
				select {
				case o := <-s.queue:
					turnDown(o)
				case o := <-s.refusedQueue.queue:
					turnDown(o)
				default:
					return
				}
			}
		}
	}
}

// taken gives back the room that an op had in the queue.
func (s *Store) taken(o *op) {
	if o.apart {
		s.refusedQueue.waiting.Add(-int64(o.size))
		return
	}
	s.waiting.Add(-int64(o.size))
	if o.lazy {
		<-s.settling
	}
}

// urgency says what becomes of an op that finds the queue full.
type urgency int

const (
	patient urgency = iota // waits: settlements and operators' deeds
	at503                  // is refused: accepts
)

// submit queues an op.
func (s *Store) submit(ctx context.Context, o *op, u urgency) error {
	s.state.RLock()
	defer s.state.RUnlock()
	switch {
	case s.closed:
		return errStopping
	case !s.opt.Server:
		return s.writeDirect(o)
	case o.apart:
		return s.offerRefusal(o)
	case u == patient:
		return s.enqueue(ctx, o)
	}
	return s.offer(o)
}

// offer queues an op if there is room now.
func (s *Store) offer(o *op) error {
	if !s.room(o.size) {
		return errFull
	}
	s.waiting.Add(int64(o.size))
	select {
	case s.queue <- o:
		return nil
	default:
		s.waiting.Add(-int64(o.size))
		return errFull
	}
}

// enqueue queues an op as soon as there is room. Settlements have a part of the queue: they must not crowd out events.
func (s *Store) enqueue(ctx context.Context, o *op) error {
	if o.lazy {
		select {
		case s.settling <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.waiting.Add(int64(o.size))
	select {
	case s.queue <- o:
		return nil
	case <-ctx.Done():
		s.taken(o)
		return ctx.Err()
	}
}

// room reports whether the queue has room for so many bytes. An op of any size finds room in a queue that is half empty.
func (s *Store) room(size int) bool {
	return len(s.queue) < queueLength && s.waiting.Load()+min(int64(size), s.opt.QueueBytes/2) <= s.opt.QueueBytes
}

// errFull answers an accept that the queue has no room for.
var errFull = inbox.Errorf(inbox.Unavailable, "", "too many events wait for the disk")

// writeDirect makes one change without a writing goroutine, under the process lock.
func (s *Store) writeDirect(o *op) error {
	s.direct.Lock()
	defer s.direct.Unlock()
	lock, err := datadir.TryLock(s.opt.Dir)
	if err != nil {
		return err
	}
	defer lock.Release()
	s.w.stale = true // another process may have written since
	return s.w.commit([]*op{o})
}

// write makes one change and returns when it is durable. ctx bounds only the wait: what is queued will be made.
func (s *Store) write(ctx context.Context, apply func(t *tx) error) error {
	return s.writeSized(ctx, 256, patient, apply)
}

func (s *Store) writeSized(ctx context.Context, size int, u urgency, apply func(t *tx) error) error {
	return s.writeOp(ctx, &op{size: size, apply: apply}, u)
}

// writeOp hands in an op and returns when it is durable. ctx bounds only the wait.
func (s *Store) writeOp(ctx context.Context, o *op, u urgency) error {
	answer := make(chan error, 1)
	o.done = func(err error) { answer <- err }
	if err := s.submit(ctx, o, u); err != nil {
		return err
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// upkeepPause is how long upkeep waits after it failed, or while there is little disk space.
const upkeepPause = 10 * time.Second

// upkeep does the slow work beside the line, in steps that ride along with other writes.
func (s *Store) upkeep(ctx context.Context) {
	hourly := time.NewTicker(time.Hour)
	defer hourly.Stop()
	for {
		var again <-chan time.Time
		if err := s.tidy(ctx); err != nil && ctx.Err() == nil {
			s.opt.Log.Warn("cannot tidy up the store; trying again", "error", err)
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

func (s *Store) tidy(ctx context.Context) error {
	if err := s.expireRefused(ctx); err != nil {
		return err
	}
	if s.Low() {
		return nil // merging needs room for both
	}
	return s.sealDigests(ctx)
}
