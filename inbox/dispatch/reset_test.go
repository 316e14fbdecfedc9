package dispatch_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/dispatch"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// faulty is a store whose answers a test may replace by failures, or delay.
type faulty struct {
	dispatch.Store
	mu      sync.Mutex
	payload func(seq int64) error
	settle  func(*inbox.Settlement) error
	hold    bool
	held    []func()
	lost    int
}

func (f *faulty) Payload(ctx context.Context, seq int64) (inbox.Payload, error) {
	f.mu.Lock()
	fail := f.payload
	f.mu.Unlock()
	if fail != nil {
		if err := fail(seq); err != nil {
			return inbox.Payload{}, err
		}
	}
	return f.Store.Payload(ctx, seq)
}

func (f *faulty) Payloads(ctx context.Context, seqs []int64) ([]inbox.PayloadOf, error) {
	f.mu.Lock()
	fail := f.payload
	f.mu.Unlock()
	if fail != nil {
		for _, seq := range seqs {
			if err := fail(seq); err != nil {
				return nil, err
			}
		}
	}
	return f.Store.Payloads(ctx, seqs)
}

func (f *faulty) Settle(ctx context.Context, s *inbox.Settlement, done func(error)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.settle != nil {
		if err := f.settle(s); err != nil {
			f.lost++
			return err
		}
	}
	if !f.hold || s.Attempt == nil { // nothing begins before it is stored that it does
		return f.Store.Settle(ctx, s, done)
	}
	f.held = append(f.held, func() {
		if err := f.Store.Settle(ctx, s, done); err != nil {
			done(err)
		}
	})
	return nil
}

// release passes on the settlements that were delayed.
func (f *faulty) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fn := range f.held {
		fn()
	}
	f.held, f.hold = nil, false
}

// newFaultyFixture is newFixture with a faulty store between, and with the dispatcher stopped.
func newFaultyFixture(t *testing.T, m inbox.Manifest, script func(made) inbox.Result) (*fixture, *faulty) {
	t.Helper()
	r := newFixture(t, m, script)
	r.stop()
	f := &faulty{Store: r.store}
	r.queue = f
	return r, f
}

var errDisk = inbox.Errorf(inbox.Unavailable, "", "the disk is slow")

// later advances the clock and wakes the loop.
func (r *fixture) later(d time.Duration) {
	r.skew.Add(int64(d))
	r.dispatch.Wake(plugin)
}

// looked returns the loop's status after the loop has done all that it can do now: it answers questions in their order.
func (r *fixture) looked() dispatch.Status {
	r.t.Helper()
	r.dispatch.Wake(plugin)
	s, ok := r.dispatch.Status(ctx, plugin)
	if !ok {
		r.t.Fatal("the loop does not answer")
	}
	return s
}

// Settlements that were submitted before a read failed may still become durable. A load in between would lack them, and make
// an attempt again that is recorded already.
func TestALoopThatBeginsAgainWaitsForItsSettlementsInFlight(t *testing.T) {
	t.Parallel()
	r, f := newFaultyFixture(t, inbox.Manifest{Concurrency: 1}, nil)
	var once sync.Once
	f.hold = true
	f.payload = func(seq int64) (err error) {
		if seq == 2 {
			once.Do(func() { err = errDisk })
		}
		return err
	}
	r.send(3, 3, 0)
	r.start("r1")
	inboxtest.Eventually(t, "the payload of the second event could not be read", func() bool {
		return strings.Contains(r.looked().Note, "waits for the store")
	})
	r.later(2 * time.Second)
	if s := r.looked(); s.Note == "" {
		t.Errorf("it began again while a settlement was in flight: %+v", s)
	}
	f.release()
	r.settled()
	for i, m := range r.attempts() {
		if m.seq != int64(i+1) || m.attempt != 1 {
			t.Errorf("attempt %d is %+v", i+1, m)
		}
	}
}

func TestAFailedSettlementMakesThePluginBeginAgainFromTheStore(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]func(*inbox.Settlement) bool{
		"of an attempt that went well":      func(s *inbox.Settlement) bool { return s.Attempt != nil && s.Attempt.Seq == 4 },
		"of an attempt to be made again":    func(s *inbox.Settlement) bool { return s.Attempt != nil && s.Attempt.Fate == inbox.Again },
		"of an attempt that parks its lane": func(s *inbox.Settlement) bool { return s.Dead != nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := inbox.Manifest{Policy: inbox.Policy{MaxAttempts: 3, HoldAfter: 1000}}
			r, f := newFaultyFixture(t, m, func(m made) inbox.Result {
				switch {
				case m.seq == 1:
					return inbox.Reject
				case m.seq%5 == 0 && m.attempt == 1:
					return inbox.Trap
				}
				return inbox.OK
			})
			f.settle = func(s *inbox.Settlement) error {
				if fails(s) && f.lost == 0 {
					return errDisk
				}
				return nil
			}
			r.send(40, 4, 0)
			r.start("r1")
			inboxtest.Eventually(t, "a settlement was lost", func() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.lost > 0 })
			inboxtest.Eventually(t, "all but the parked lane is settled", func() bool {
				r.later(time.Second)
				rec := r.record()
				return rec.Cursor == 40 && rec.Retrying+rec.Ready == 0
			})
			if rec := r.record(); rec.Parked != 1 || rec.Dead != 1 {
				t.Errorf("%+v", rec)
			}
			for seq := int64(2); seq <= 40; seq++ {
				want := inbox.StateSettled
				if seq%4 == 1 {
					want = inbox.StateWaiting
				}
				tr, err := r.store.Trace(ctx, seq)
				if err != nil || tr.Deliveries[0].State != want {
					t.Errorf("event %d is %s, not %s: %v", seq, tr.Deliveries[0].State, want, err)
				}
			}
		})
	}
}

// A start finds events above the stored cursor that ran already: the cursor is before the oldest event that did not.
func TestAStartDoesNotRepeatEventsSettledAboveTheCursor(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{Concurrency: 2}, nil)
	r.stop()
	first := make(chan struct{})
	r.runner = func(ctx context.Context, w *inbox.Work) inbox.Outcome {
		e := w.Event
		if e.Seq == 1 {
			close(first)
			<-ctx.Done() // until the dispatcher stops, which interrupts it
		}
		return r.run(ctx, w)
	}
	r.start("r1")
	r.send(600, 600, 0)
	<-first
	inboxtest.Eventually(t, "all others ran", func() bool { return len(r.attempts()) == 599 })
	r.stop()
	if rec := r.record(); rec.Cursor != 0 {
		t.Fatalf("the cursor passed an event that was interrupted: %+v", rec)
	}
	r.runner = nil
	r.start("r1")
	r.settled()
	if got := r.attempts(); len(got) != 601 || got[600].seq != 1 || got[600].attempt != 1 {
		t.Errorf("%d attempts, the last %+v; want 601, the last of the event that was interrupted", len(got), got[len(got)-1])
	}
}

func TestAReadOfTheStoreThatFailedIsRepeated(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{}, nil)
	r.stop()
	broken := &unreadable{Store: r.store, fails: 2}
	r.queue = broken
	r.send(3, 3, 0)
	r.start("r1")
	inboxtest.Eventually(t, "the status says so", func() bool { return strings.Contains(r.looked().Note, "cannot be read") })
	inboxtest.Eventually(t, "all ran", func() bool { r.later(time.Second); return len(r.attempts()) == 3 })
	r.settled()
}

// unreadable is a store whose first reads of the record fail.
type unreadable struct {
	*store.Store
	mu    sync.Mutex
	fails int
}

func (u *unreadable) Load(ctx context.Context, plugin string) (*inbox.PluginRecord, inbox.Term, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.fails--; u.fails >= 0 {
		return nil, 0, errors.New("the file cannot be read")
	}
	return u.Store.Load(ctx, plugin)
}
