package store_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

var ctx = context.Background()

// childEnv makes the test binary a program that accepts and settles until it is killed. Its value is the data directory.
const childEnv = "INBOX_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := child(dir, os.Getenv(childEnv+"_SALT"), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	if flag.Set("rapid.checks", fmt.Sprint(long(15, 15, 100))) != nil { // the flag is rapid's
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// child is the program: eight producers accept bodies of their own, sometimes one again, and a dispatcher settles what is
// there. It writes a line for everything that was acknowledged: "ack SEQ ID BODY" and "settled SEQ", and "refused KIND"
// for everything that was not. It ends by itself when its input does, or when the store cannot go on.
func child(dir, salt string, in io.Reader, out io.Writer) error {
	// strace counts the calls of every thread for itself: all that is written must be one thread's, or "the n-th flush
	// fails" would mean the n-th of each thread the writer happens to run on.
	runtime.LockOSThread()
	if os.Getenv(childEnv+"_LOOK") != "" {
		return childReads(dir, out)
	}
	lock, err := datadir.WaitLock(context.Background(), dir, 5*time.Second)
	if err != nil {
		return err
	}
	defer lock.Release()
	o := store.SmallRuns(store.Options{Dir: dir, Create: true, Server: true, MinFree: 1}, 64)
	if os.Getenv(childEnv+"_NORMAL") != "" {
		o = store.Normal(o)
	}
	s, err := store.Open(context.Background(), o)
	if err != nil {
		return err
	}
	defer s.Close()
	run, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, in)
		stop()
	}()
	var wg sync.WaitGroup
	said := &says{out: out}
	wg.Go(func() { childSettles(run, s, said) })
	for p := range 8 {
		wg.Go(func() { childAccepts(run, s, said, fmt.Sprint(salt, "-", p)) })
	}
	err = s.Run(run)
	stop()
	wg.Wait()
	if err != nil {
		said.line("fatal %s", inbox.KindOf(err))
	}
	return err
}

// childReads opens a store as a server does and says all that is in it, as duplicates of it would be acknowledged. It ends
// without closing the store.
func childReads(dir string, out io.Writer) error {
	s, err := store.Open(context.Background(), store.Options{Dir: dir, Server: true, MinFree: 1})
	if err != nil {
		return err
	}
	events, err := s.EventsAfter(context.Background(), 0, 1<<20)
	for i := range events {
		fmt.Fprintf(out, "ack %d %s %[2]s\n", events[i].Seq, events[i].ID)
	}
	return err
}

// says writes whole lines, each by one system call.
type says struct {
	mu  sync.Mutex
	out io.Writer
}

func (s *says) line(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format+"\n", args...)
}

func childAccepts(ctx context.Context, s *store.Store, said *says, name string) {
	for i := 0; ctx.Err() == nil; i++ {
		body := fmt.Sprintf(`{"event":"workflow","data":{"id":"%s-%d"}}`, name, i)
		if i%7 == 6 {
			body = fmt.Sprintf(`{"event":"workflow","data":{"id":"%s-%d"}}`, name, i/2) // a duplicate
		}
		r, err := s.Accept(context.Background(), inboxtest.Arrival(body))
		if err != nil {
			said.line("refused %s", inbox.KindOf(err))
			pause(ctx, 2*time.Millisecond)
			continue
		}
		said.line("ack %d %s %s", r.Seq, r.ID, body)
	}
}

// childSettles settles one event after another; after a failure it begins again from what is stored.
func childSettles(ctx context.Context, s *store.Store, said *says) {
	for ctx.Err() == nil {
		if err := s.Register(ctx, "p", inbox.StartFrom{Start: true}); err != nil {
			said.line("refused %s", inbox.KindOf(err))
			pause(ctx, 2*time.Millisecond)
			continue
		}
		p, term, err := s.Load(ctx, "p")
		if err != nil {
			pause(ctx, 2*time.Millisecond)
			continue
		}
		chain := &inbox.Chain{}
		var window atomic.Int64
		for seq := p.Cursor + 1; ctx.Err() == nil && !chain.Broken(); seq++ {
			for ctx.Err() == nil && (seq > s.Head() || window.Load() >= 32) {
				pause(ctx, time.Millisecond)
			}
			if ctx.Err() != nil {
				return
			}
			st := inboxtest.Settled("p", seq)
			st.Term, st.Chain = term, chain
			window.Add(1)
			err := s.Settle(ctx, st, func(err error) {
				window.Add(-1)
				if err != nil {
					said.line("refused %s", inbox.KindOf(err))
					return
				}
				said.line("settled %d", seq)
			})
			if err != nil {
				break
			}
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
