package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// The laws of the sweep. Whichever operation of the writer fails, and with whichever error:
//
//  1. every acknowledged event is stored under its acknowledged id and seq, byte for byte;
//  2. no event is stored twice: a sender that repeats a request after an error adds no event;
//  3. every acknowledged settlement is stored once, and a settlement that failed can be made again;
//  4. the events that a settlement emits are stored once, with the settlement;
//  5. the store recovers without a restart, and its check finds no problem.

// sweep fails the n-th operation once, for n = 0, 1, 2 … until a run has fewer operations.
func sweep(t *testing.T, with error) {
	for n := 0; ; n += long(11, 7, 1) {
		var calls atomic.Int64
		fired := atomic.Bool{}
		run := &scripted{t: t, dir: inboxtest.Dir(t), n: n}
		run.play(func(string) error {
			if calls.Add(1) == int64(n)+1 {
				fired.Store(true)
				return with
			}
			return nil
		})
		run.verify()
		if t.Failed() {
			t.Fatalf("with operation %d failing", n)
		}
		if !fired.Load() {
			if n < 50 {
				t.Errorf("a run has only %d operations", n)
			}
			return
		}
	}
}

func TestNoSingleFailureLosesOrDuplicatesAnything(t *testing.T) {
	for name, with := range map[string]error{
		"a full disk": store.Full, "a failed write": store.WriteFails, "a failed flush": store.FlushFails,
		"a violated constraint": store.Constraint,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sweep(t, with)
		})
	}
}

// scripted runs the same operations on a new store and collects the receipts.
type scripted struct {
	t     *testing.T
	dir   string
	n     int
	mu    sync.Mutex
	acked map[string]inbox.Receipt // by body
}

func (r *scripted) play(fault func(string) error) {
	r.acked = map[string]inbox.Receipt{}
	var armed atomic.Bool // set after Open, whose failures other tests cover
	o := store.Faulty(store.Options{Dir: r.dir, Create: true, Server: true, MinFree: 1}, func(point string) error {
		if !armed.Load() {
			return nil
		}
		return fault(point)
	})
	s, err := store.Open(ctx, store.Normal(store.SmallRuns(o, 4))) // without flushes the test is faster
	if err != nil {
		r.t.Fatal(err)
	}
	defer s.Close()
	armed.Store(true)
	defer inboxtest.Run(r.t, s)()
	r.insist("register", func() error { return s.Register(ctx, "p", inbox.StartFrom{Start: true}) })
	for i := range 3 {
		r.accept(s, inboxtest.Body(i, 0))
	}
	r.together(s, 3, 9)
	r.accept(s, inboxtest.Body(1, 0)) // a duplicate
	r.settle(s)
	r.readmit(s)
	r.together(s, 9, 14)
}

// insist repeats an operation until it succeeds, up to five times, as a sender or the dispatcher would.
func (r *scripted) insist(name string, fn func() error) {
	var err error
	for range 5 {
		if err = fn(); err == nil {
			return
		}
	}
	r.t.Errorf("%s: %v", name, err)
}

func (r *scripted) accept(s *store.Store, body string) {
	r.insist("accept", func() error {
		receipt, err := s.Accept(ctx, inboxtest.Arrival(body))
		if err != nil {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if old, ok := r.acked[body]; ok && old.Seq != receipt.Seq {
			r.t.Errorf("%s was acknowledged as %d, then as %d", body, old.Seq, receipt.Seq)
		}
		r.acked[body] = receipt
		return nil
	})
}

// together accepts several bodies in one batch, one of them twice.
func (r *scripted) together(s *store.Store, from, to int) {
	release := store.Hold(s)
	var wg sync.WaitGroup
	for i := from; i < to; i++ {
		wg.Go(func() { r.accept(s, inboxtest.Body(i, 0)) })
	}
	wg.Go(func() { r.accept(s, inboxtest.Body(from, 0)) })
	inboxtest.Eventually(r.t, "all wait for the writer", func() bool { return store.Waiting(s) >= to-from+1 })
	release()
	wg.Wait()
}

// settle settles the first four events. After a failure it settles those that are not stored again, in a new chain.
func (r *scripted) settle(s *store.Store) {
	r.insist("settle", func() error {
		settled, err := s.SettledAbove(ctx, "p", 0, 0)
		if err != nil {
			return err
		}
		chain := &inbox.Chain{}
		answers := make(chan error, 4)
		submitted := 0
		for seq := int64(1); seq <= 4; seq++ {
			if slices.Contains(settled, seq) {
				continue
			}
			st := inboxtest.Settled("p", seq)
			st.Term, st.Chain = s.Term(), chain
			st.Effects = &inbox.Effects{}
			for i := range 2 {
				st.Effects.Emit = append(st.Effects.Emit, inbox.Emission{Event: "sweep.saw", Body: fmt.Appendf(nil, `{"of":%d,"i":%d}`, seq, i)})
			}
			if err := s.Settle(ctx, st, func(err error) { answers <- err }); err != nil {
				return err
			}
			submitted++
		}
		failed := false
		for range submitted {
			err := <-answers
			if err == nil && failed {
				r.t.Error("a settlement committed after an earlier one of its chain failed")
			}
			failed = failed || err != nil
		}
		if failed {
			return errors.New("a settlement failed")
		}
		return nil
	})
}

func (r *scripted) readmit(s *store.Store) {
	refused := &inbox.Refused{Source: "qoreid", Why: "mismatch", ReceivedAt: time.Now(), Payload: inbox.Payload{Body: []byte("genuine")}}
	r.insist("refuse", func() error { return s.Refuse(ctx, refused) })
	r.insist("readmit", func() error {
		return s.EachRefused(ctx, "", func(f *inbox.Refused) error {
			a := inboxtest.Arrival(string(f.Payload.Body))
			a.Origin = inbox.FromRecheck
			receipt, err := s.Readmit(ctx, f.ID, a)
			if err == nil {
				r.acked[string(f.Payload.Body)] = receipt
			}
			return err
		})
	})
}

// verify opens the store again and checks the laws.
func (r *scripted) verify() {
	s, err := store.Open(ctx, store.Options{Dir: r.dir, MinFree: 1})
	if err != nil {
		r.t.Fatal(err)
	}
	defer s.Close()
	inboxtest.Check(r.t, s)
	inboxtest.CheckAcked(r.t, s, r.acked)
	if settled, err := s.SettledAbove(ctx, "p", 0, 0); err != nil || len(settled) != 4 {
		r.t.Errorf("settled %v, %v", settled, err)
	}
	if emitted, err := s.Find(ctx, inbox.Filter{Sources: []string{"plugin:p"}}); err != nil || len(emitted) != 8 {
		r.t.Errorf("emitted %+v, %v", emitted, err)
	}
	if p, _, err := s.Load(ctx, "p"); err != nil || p.Cursor != 4 {
		r.t.Errorf("cursor %+v, %v", p, err)
	}
}

func TestFailingFlushesEndTheServerAndEveryCallerGetsAnAnswer(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	o := store.Faulty(store.Options{Dir: inboxtest.Dir(t), Create: true, Server: true, MinFree: 1}, func(point string) error {
		if broken.Load() && (point == store.PointCommit || point == store.PointReopen) {
			return store.FlushFails
		}
		return nil
	})
	s, err := store.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	inboxtest.Accept(t, s, "stored")
	release := store.Hold(s)
	answers := make(chan error, 20)
	for i := range 20 {
		go func() {
			_, err := s.Accept(context.Background(), inboxtest.Arrival(fmt.Sprint("not stored ", i)))
			answers <- err
		}()
	}
	inboxtest.Eventually(t, "all wait", func() bool { return store.Waiting(s) >= 20 })
	broken.Store(true)
	release()
	for range 20 {
		if err := <-answers; inbox.KindOf(err) != inbox.Unavailable {
			t.Errorf("an accept was answered %v", err)
		}
	}
	if err := <-ended; err == nil || inbox.HintOf(err) == "" {
		t.Errorf("the server ended with %v", err)
	}
	if _, err := s.Accept(ctx, inboxtest.Arrival("later")); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("after the end: %v", err)
	}
}

func TestAFullDiskIsReportedAndTheStoreRecovers(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	s := inboxtest.Store(t, store.Faulty(store.Options{}, func(point string) error {
		if full.Load() && point == store.PointCommit {
			return store.Full
		}
		return nil
	}))
	inboxtest.Accept(t, s, "before")
	full.Store(true)
	if _, err := s.Accept(ctx, inboxtest.Arrival("meanwhile")); inbox.KindOf(err) != inbox.Unavailable || inbox.HintOf(err) == "" {
		t.Errorf("on a full disk: %v", err)
	}
	if err := s.Ready(ctx); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("ready on a full disk: %v", err)
	}
	full.Store(false)
	inboxtest.Eventually(t, "the store is ready without another accept", func() bool { return s.Ready(ctx) == nil })
	if r := inboxtest.Accept(t, s, "meanwhile"); r.Status != inbox.Stored || r.Seq != 2 {
		t.Errorf("receipt %+v", r)
	}
}

func TestAFailedReloadAfterAFailedCommitIsRepeated(t *testing.T) {
	t.Parallel()
	var failCommitted, unreadable atomic.Bool
	s := inboxtest.Store(t, store.Faulty(store.Options{}, func(point string) error {
		switch {
		case point == store.PointCommitted && failCommitted.Load():
			return store.WriteFails // the commit happened, but the writer gets an error
		case point == store.PointReload && unreadable.Load():
			return store.WriteFails
		}
		return nil
	}))
	stored := func() int {
		events, err := s.EventsAfter(ctx, 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(events)
	}
	refused := func(name string) {
		if _, err := s.Accept(ctx, inboxtest.Arrival("a")); inbox.KindOf(err) != inbox.Unavailable {
			t.Errorf("%s: answered %v", name, err)
		}
	}
	for stored() == 0 { // the error may fail a commit of upkeep instead of the event's
		failCommitted.Store(true)
		unreadable.Store(true)
		refused("a commit that seems to fail")
		failCommitted.Store(false)
		if stored() == 0 {
			unreadable.Store(false)
			inboxtest.Eventually(t, "the store is ready again", func() bool { return s.Ready(ctx) == nil })
		}
	}
	refused("with the file unreadable")
	unreadable.Store(false)
	if r := inboxtest.Accept(t, s, "a"); r.Status != inbox.Duplicate || r.Seq != 1 {
		t.Errorf("receipt %+v", r)
	}
	if r := inboxtest.Accept(t, s, "b"); r.Seq != 2 {
		t.Errorf("receipt %+v", r)
	}
}
