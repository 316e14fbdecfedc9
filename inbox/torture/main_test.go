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

// programEnv makes the test binary the program, with the fault planted in its server that is its value; "none" plants
// none. The faults are in this file alone: no binary but a test's has them.
const programEnv = "INBOX_TORTURE_TEST_PLANT"

func TestMain(m *testing.M) {
	plant := os.Getenv(programEnv)
	if plant == "" {
		os.Exit(m.Run())
	}
	if planted, ok := plants()[plant]; ok && (os.Args[1] == "serve" || os.Args[1] == "__tortured") {
		fault, err := torture.HooksFromEnv(os.Getenv) // nothing but with __tortured
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

// plants are the faults that torture must find.
func plants() map[string]serve.Hooks {
	return map[string]serve.Hooks{
		"an answer before the commit": {Keep: newHasty},
		"a settle outside the transaction": {Queue: func(q dispatch.Store) dispatch.Store {
			return &torn{Store: q, work: map[string]chan func(){}}
		}},
		"a lane that lets one event pass": {Queue: func(q dispatch.Store) dispatch.Store { return &loose{Store: q} }},
	}
}

// hasty answers as soon as it knows what the store will say, and lets the store get on with it. It takes one arrival at a
// time, so that it does know.
type hasty struct {
	intake.Keeper
	mu   sync.Mutex
	last int64
	seqs map[string]inbox.Receipt
}

func newHasty(k intake.Keeper) intake.Keeper {
	h := &hasty{Keeper: k, seqs: map[string]inbox.Receipt{}}
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

func (h *hasty) Accept(ctx context.Context, a *inbox.Arrival) (inbox.Receipt, error) {
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

// torn records an attempt in one transaction, and its effects on the lane, the dead letter and the run in another.
type torn struct {
	dispatch.Store
	mu   sync.Mutex
	work map[string]chan func()
}

func (s *torn) Settle(ctx context.Context, st *inbox.Settlement, done func(error)) error {
	if st.Attempt == nil || st.Lane == nil && st.Dead == nil {
		s.line(st.Plugin) <- func() { s.one(ctx, st, done) }
		return nil
	}
	attempt := &inbox.Settlement{Plugin: st.Plugin, Term: st.Term, Chain: st.Chain, Attempt: st.Attempt}
	rest := *st
	rest.Attempt = nil
	s.line(st.Plugin) <- func() {
		s.one(ctx, attempt, func(error) {})
		between := time.NewTimer(20 * time.Millisecond)
		<-between.C
		s.one(ctx, &rest, done)
	}
	return nil
}

// one settles and waits until that is durable, so that what follows is another transaction.
func (s *torn) one(ctx context.Context, st *inbox.Settlement, done func(error)) {
	durable := make(chan error, 1)
	if err := s.Store.Settle(ctx, st, func(err error) { durable <- err }); err != nil {
		durable <- err
	}
	done(<-durable)
}

// line returns where a plugin's settlements stand in line.
func (s *torn) line(plugin string) chan func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := s.work[plugin]
	if line == nil {
		line = make(chan func(), 1<<16)
		s.work[plugin] = line
		go func() {
			for fn := range line {
				fn()
			}
		}()
	}
	return line
}

// loose shows the dispatcher every twentieth event as of another lane.
type loose struct {
	dispatch.Store
	n atomic.Int64
}

func (s *loose) EventsAfter(ctx context.Context, after int64, limit int) ([]inbox.Event, error) {
	events, err := s.Store.EventsAfter(ctx, after, limit)
	for i := range events {
		if s.n.Add(1)%20 == 0 {
			events[i].View.Key += "~"
		}
	}
	return events, err
}
