package dispatch_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/dispatch"
	"inbox/inbox/inboxtest"
)

// nth is a store whose n-th operation fails.
type nth struct {
	dispatch.Store
	left atomic.Int64
}

func (s *nth) fails() error {
	if s.left.Add(-1) == -1 {
		return errDisk
	}
	return nil
}

func (s *nth) EventsAfter(ctx context.Context, after int64, limit int) ([]inbox.Event, error) {
	if err := s.fails(); err != nil {
		return nil, err
	}
	return s.Store.EventsAfter(ctx, after, limit)
}

func (s *nth) LaneEvents(ctx context.Context, mode inbox.Mode, key string, from, upto int64, limit int) ([]inbox.Event, error) {
	if err := s.fails(); err != nil {
		return nil, err
	}
	return s.Store.LaneEvents(ctx, mode, key, from, upto, limit)
}

func (s *nth) Payload(ctx context.Context, seq int64) (inbox.Payload, error) {
	if err := s.fails(); err != nil {
		return inbox.Payload{}, err
	}
	return s.Store.Payload(ctx, seq)
}

func (s *nth) Payloads(ctx context.Context, seqs []int64) ([]inbox.PayloadOf, error) {
	if err := s.fails(); err != nil {
		return nil, err
	}
	return s.Store.Payloads(ctx, seqs)
}

func (s *nth) Load(ctx context.Context, plugin string) (*inbox.PluginRecord, inbox.Term, error) {
	if err := s.fails(); err != nil {
		return nil, 0, err
	}
	return s.Store.Load(ctx, plugin)
}

func (s *nth) Record(ctx context.Context, plugin string) (*inbox.PluginRecord, error) {
	if err := s.fails(); err != nil {
		return nil, err
	}
	return s.Store.Record(ctx, plugin)
}

func (s *nth) EachLane(ctx context.Context, plugin string, fn func(inbox.LaneID, inbox.LaneState)) error {
	if err := s.fails(); err != nil {
		return err
	}
	return s.Store.EachLane(ctx, plugin, fn)
}

func (s *nth) Lanes(ctx context.Context, plugin string, state inbox.LaneState, limit int) ([]inbox.Lane, error) {
	if err := s.fails(); err != nil {
		return nil, err
	}
	return s.Store.Lanes(ctx, plugin, state, limit)
}

func (s *nth) Lane(ctx context.Context, plugin string, id inbox.LaneID) (*inbox.Lane, error) {
	if err := s.fails(); err != nil {
		return nil, err
	}
	return s.Store.Lane(ctx, plugin, id)
}

func (s *nth) ReplayRuns(ctx context.Context, plugin string, job int64) (int, error) {
	if err := s.fails(); err != nil {
		return 0, err
	}
	return s.Store.ReplayRuns(ctx, plugin, job)
}

func (s *nth) SettledAbove(ctx context.Context, plugin string, run, seq int64) ([]int64, error) {
	if err := s.fails(); err != nil {
		return nil, err
	}
	return s.Store.SettledAbove(ctx, plugin, run, seq)
}

func (s *nth) Settle(ctx context.Context, st *inbox.Settlement, done func(error)) error {
	if err := s.fails(); err != nil {
		return err
	}
	return s.Store.Settle(ctx, st, done)
}

func (s *nth) Runs(ctx context.Context, plugin string, limit int) ([]inbox.Run, error) {
	if err := s.fails(); err != nil {
		return nil, err
	}
	return s.Store.Runs(ctx, plugin, limit)
}

func (s *nth) Replays(ctx context.Context, plugin string) ([]inbox.Replay, error) {
	if err := s.fails(); err != nil {
		return nil, err
	}
	return s.Store.Replays(ctx, plugin)
}

func (s *nth) Match(ctx context.Context, j *inbox.Replay, plugin string, after int64, limit int) ([]inbox.Event, int64, error) {
	if err := s.fails(); err != nil {
		return nil, 0, err
	}
	return s.Store.Match(ctx, j, plugin, after, limit)
}

func (s *nth) DeadLetter(ctx context.Context, plugin string, seq int64) (*inbox.DeadLetter, error) {
	if err := s.fails(); err != nil {
		return nil, err
	}
	return s.Store.DeadLetter(ctx, plugin, seq)
}

// Every operation of the store may fail at any time. The n-th operation fails, for n = 0, 1, 2 … until there are fewer, each
// kind of plugin with a third of the numbers. Every event still ends in one final attempt, the replay ends with its whole set,
// and dead events are reported.
func TestAnyOperationOfTheStoreMayFailAndNothingIsLostOrSettledTwice(t *testing.T) {
	t.Parallel()
	kinds := []inbox.Manifest{
		{Policy: inbox.Policy{MaxAttempts: 3, HoldAfter: 1000}},
		{Policy: inbox.Policy{MaxAttempts: 3, HoldAfter: 1000, OnFailure: inbox.Continue}},
		{Policy: inbox.Policy{MaxAttempts: 3, HoldAfter: 1000}, KeyBy: "/data/customerReference"},
	}
	for first, m := range kinds {
		t.Run(fmt.Sprint(m.Policy.OnFailure, m.KeyBy), func(t *testing.T) {
			t.Parallel()
			step := int64(len(kinds))
			if inboxtest.Race && os.Getenv("INBOX_LONG") == "" {
				step *= 3 // a sweep takes minutes on a busy machine; the others are made without the race detector
			}
			for n := int64(first); ; n += step {
				if missed := sweep(t, m, n); missed {
					if n < 30 {
						t.Errorf("only %d operations were asked for", n)
					}
					return
				}
			}
		})
	}
}

// sweep delivers nine events of three keys, and a replay of all, with a store whose n-th operation fails. It reports whether
// there were fewer operations.
func sweep(t *testing.T, m inbox.Manifest, n int64) (missed bool) {
	t.Helper()
	m.Concurrency = 2
	r := newFixture(t, m, func(m made) inbox.Result {
		switch {
		case m.seq == 2 && m.run == 0:
			return inbox.Reject
		case m.seq == 4 && m.attempt == 1:
			return inbox.Trap
		}
		return inbox.OK
	})
	r.stop()
	s := &nth{Store: r.store}
	s.left.Store(n)
	r.queue = s
	r.send(9, 3, 0)
	job := &inbox.Replay{Plugins: []string{plugin}}
	if err := r.store.CreateReplay(ctx, inbox.Actor{Name: "test"}, job); err != nil {
		t.Fatal(err)
	}
	r.start("r1")
	defer r.stop()
	inboxtest.Eventually(t, fmt.Sprint("the replay ends although operation ", n, " failed"), func() bool {
		r.later(2 * time.Second)
		j, err := r.store.Replay(ctx, job.ID)
		return err == nil && j.State == inbox.ReplayDone
	})
	inboxtest.Eventually(t, "all is settled", func() bool {
		r.later(2 * time.Second)
		rec := r.record()
		runs, err := r.store.Runs(ctx, plugin, 0)
		return err == nil && len(runs) == 0 && rec.Cursor == 9 && rec.Retrying+rec.Ready == 0
	})
	for seq := int64(1); seq <= 9; seq++ {
		tr, err := r.store.Trace(ctx, seq)
		if err != nil {
			t.Fatal(err)
		}
		done := 0
		for _, a := range tr.Deliveries[0].Attempts {
			if a.Run == 0 && a.Fate == inbox.Done {
				done++
			}
		}
		waits := tr.Deliveries[0].State == inbox.StateWaiting || tr.Deliveries[0].State == inbox.StateDead
		if done > 1 || (done == 0) != waits {
			t.Errorf("operation %d failed: event %d is %s after %d final attempts", n, seq, tr.Deliveries[0].State, done)
		}
	}
	return s.left.Load() >= 0
}
