package torture_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/cli"
	"inbox/inbox/config"
	"inbox/inbox/dispatch"
	"inbox/inbox/intake"
	"inbox/inbox/serve"
	"inbox/inbox/store"
	"inbox/inbox/torture"
)

// programEnv makes the test binary run as the program, with the planted fault that it names; "none" is no fault. Only the test
// binary has these faults.
const programEnv = "INBOX_TORTURE_TEST_PLANT"

func TestMain(m *testing.M) {
	plant := os.Getenv(programEnv)
	if plant == "" {
		os.Exit(m.Run())
	}
	if planted, ok := plants()[plant]; ok && (os.Args[1] == "serve" || os.Args[1] == "__tortured") {
		fault, err := torture.HooksFromEnv(os.Getenv) // empty except for __tortured
		planted.Fault = fault.Fault
		if err == nil {
			err = serveWith(planted)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(cli.Main())
}

func serveWith(h serve.Hooks) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	values := map[string]*string{}
	for _, name := range []string{"data", "listen", "admin", "min-free", "log-format", "config"} {
		values[name] = flags.String(name, "", "")
	}
	if err := flags.Parse(os.Args[2:]); err != nil {
		return err
	}
	in := config.Inputs{File: *values["config"], Flags: map[string]string{}, Getenv: os.Getenv}
	delete(values, "config")
	for name, v := range values {
		in.Flags[name] = *v
	}
	s, err := config.Load(in)
	if err != nil {
		return err
	}
	return serve.Run(context.Background(), s, serve.Options{Log: slog.New(slog.NewJSONHandler(os.Stderr, nil)), Hooks: h})
}

// plants returns the faults that torture must find.
func plants() map[string]serve.Hooks {
	return map[string]serve.Hooks{
		"an answer before the commit": {Keep: newEarlyAnswer},
		"an answer without a commit":  {Keep: func(k intake.Keeper) intake.Keeper { return &noCommit{Keeper: k} }},
		"a settle outside the transaction": {Queue: func(q dispatch.Store) dispatch.Store {
			return &splitSettle{Store: q, work: map[string]chan func(){}}
		}},
		"a lane that lets one event pass": {Queue: func(q dispatch.Store) dispatch.Store { return &wrongLane{Store: q} }},
		"a stale read that commits":       {Queue: func(q dispatch.Store) dispatch.Store { return &staleReads{q} }},
		"a settle without its state":      {Queue: func(q dispatch.Store) dispatch.Store { return &lostState{Store: q} }},
		"a settle without what it emits":  {Queue: func(q dispatch.Store) dispatch.Store { return &lostEmission{Store: q} }},
		"an event that is emitted twice":  {Queue: func(q dispatch.Store) dispatch.Store { return &doubleEmission{q} }},
		"a request sent before its commit": {Queue: func(q dispatch.Store) dispatch.Store {
			return &hasty{q}
		}},
		"a request that is done and was not sent": {Send: sendWith(unsent)},
		"a request with another key at a retry":   {Send: sendWith(rekeyed)},
		"a request with other bytes":              {Send: sendWith(altered)},
		"a request sent again after the next one": {Send: sendWith(resent())},
	}
}

// earlyAnswer answers an arrival before the store has committed it. It handles one arrival at a time, so that it can predict the
// receipt.
type earlyAnswer struct {
	intake.Keeper
	mu   sync.Mutex
	last int64
	seqs map[string]inbox.Receipt
}

func newEarlyAnswer(k intake.Keeper) intake.Keeper {
	h := &earlyAnswer{Keeper: k, seqs: map[string]inbox.Receipt{}}
	s := k.(*store.Store)
	events, err := s.EventsAfter(context.Background(), 0, 1<<30)
	if err != nil {
		panic(err)
	}
	for i := range events {
		p, err := s.Payload(context.Background(), events[i].Seq)
		if err != nil {
			panic(err)
		}
		h.last = events[i].Seq
		h.seqs[events[i].Source+string(p.Body)] = inbox.Receipt{ID: events[i].ID, Seq: h.last, Status: inbox.Duplicate}
	}
	return h
}

func (h *earlyAnswer) Accept(ctx context.Context, a *inbox.Arrival) (inbox.Receipt, error) {
	h.mu.Lock()
	name := a.Source + string(a.Payload.Body)
	if h.seqs[name].Seq != 0 || a.NoDedup {
		defer h.mu.Unlock()
		r, err := h.Keeper.Accept(ctx, a)
		if err == nil {
			h.last, h.seqs[name] = max(h.last, r.Seq), r
		}
		return r, err
	}
	r := inbox.Receipt{ID: inbox.EventID(h.last+1, make([]byte, 32)), Seq: h.last + 1, Status: inbox.Stored}
	go func() {
		defer h.mu.Unlock()
		if real, err := h.Keeper.Accept(context.WithoutCancel(ctx), a); err == nil {
			h.last, h.seqs[name] = max(h.last, real.Seq), real
		}
	}()
	return r, nil
}

// noCommit answers every twentieth arrival like the one before it, and does not store it.
type noCommit struct {
	intake.Keeper
	mu   sync.Mutex
	n    int
	last inbox.Receipt
}

func (k *noCommit) Accept(ctx context.Context, a *inbox.Arrival) (inbox.Receipt, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.n++; k.n%20 == 0 {
		return k.last, nil
	}
	r, err := k.Keeper.Accept(ctx, a)
	k.last = r
	return r, err
}

// splitSettle commits an attempt in one transaction, and its lane, dead letter and run in another.
type splitSettle struct {
	dispatch.Store
	mu   sync.Mutex
	work map[string]chan func()
}

func (s *splitSettle) Settle(ctx context.Context, st *inbox.Settlement, done func(error)) error {
	if st.Attempt == nil || st.Lane.Put == nil && st.Dead == nil {
		s.queue(st.Plugin) <- func() { s.settleDurably(ctx, st, done) }
		return nil
	}
	attempt := &inbox.Settlement{Plugin: st.Plugin, Term: st.Term, Chain: st.Chain, Attempt: st.Attempt}
	rest := *st
	rest.Attempt = nil
	s.queue(st.Plugin) <- func() {
		s.settleDurably(ctx, attempt, func(error) {})
		between := time.NewTimer(20 * time.Millisecond)
		<-between.C
		s.settleDurably(ctx, &rest, done)
	}
	return nil
}

// settleDurably settles and waits for the commit, so that the next settlement is in another transaction.
func (s *splitSettle) settleDurably(ctx context.Context, st *inbox.Settlement, done func(error)) {
	durable := make(chan error, 1)
	if err := s.Store.Settle(ctx, st, func(err error) { durable <- err }); err != nil {
		durable <- err
	}
	done(<-durable)
}

// queue returns the queue of a plugin's settlements.
func (s *splitSettle) queue(plugin string) chan func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue := s.work[plugin]
	if queue == nil {
		queue = make(chan func(), 1<<16)
		s.work[plugin] = queue
		go func() {
			for fn := range queue {
				fn()
			}
		}()
	}
	return queue
}

// wrongLane returns every twentieth event with the key of another lane.
type wrongLane struct {
	dispatch.Store
	n atomic.Int64
}

func (s *wrongLane) EventsAfter(ctx context.Context, after int64, limit int) ([]inbox.Event, error) {
	events, err := s.Store.EventsAfter(ctx, after, limit)
	for i := range events {
		if s.n.Add(1)%20 == 0 {
			events[i].View.Key += "~"
		}
	}
	return events, err
}

// staleReads commits attempts whose reads do not hold any more.
type staleReads struct{ dispatch.Store }

func (s *staleReads) Current(context.Context, string, inbox.Mode, *inbox.Effects) (bool, error) {
	return true, nil
}

func (s *staleReads) Settle(ctx context.Context, st *inbox.Settlement, done func(error)) error {
	if st.Effects != nil {
		st.Effects.Reads = inbox.Reads{}
	}
	return s.Store.Settle(ctx, st, done)
}

// lostState commits every twentieth attempt without its state.
type lostState struct {
	dispatch.Store
	n atomic.Int64
}

func (s *lostState) Settle(ctx context.Context, st *inbox.Settlement, done func(error)) error {
	if st.Effects != nil && s.n.Add(1)%20 == 0 {
		st.Effects.State = nil
	}
	return s.Store.Settle(ctx, st, done)
}
