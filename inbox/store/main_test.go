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

// childEnv, if set, makes the test binary a program that accepts and settles events until it is killed. Its value is the data
// directory.
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

// child is that program. Eight producers accept bodies, some of them twice, and a dispatcher settles the events. child writes the
// lines "ack SEQ ID BODY" and "settled SEQ" after each success, and "refused KIND" after each failure. It ends when its input ends
// or when the store returns a fatal error.
func child(dir, salt string, in io.Reader, out io.Writer) error {
	// strace counts the calls of each thread separately. All writes must be made by one thread, otherwise the n-th flush of every
	// thread on which the writer runs would fail.
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
	w := &lineWriter{out: out}
	wg.Go(func() { childSettles(run, s, w) })
	for p := range 8 {
		wg.Go(func() { childAccepts(run, s, w, fmt.Sprint(salt, "-", p)) })
	}
	err = s.Run(run)
	stop()
	wg.Wait()
	if err != nil {
		w.line("fatal %s", inbox.KindOf(err))
	}
	return err
}

// childReads opens a store as a server does and writes an ack line for every event, as a server acknowledges duplicates of stored
// events. It does not close the store.
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

// lineWriter writes each line by one system call.
type lineWriter struct {
	mu  sync.Mutex
	out io.Writer
}

func (w *lineWriter) line(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(w.out, format+"\n", args...)
}

func childAccepts(ctx context.Context, s *store.Store, w *lineWriter, name string) {
	for i := 0; ctx.Err() == nil; i++ {
		body := fmt.Sprintf(`{"event":"workflow","data":{"id":"%s-%d"}}`, name, i)
		if i%7 == 6 {
			body = fmt.Sprintf(`{"event":"workflow","data":{"id":"%s-%d"}}`, name, i/2) // a duplicate
		}
		r, err := s.Accept(context.Background(), inboxtest.Arrival(body))
		if err != nil {
			w.line("refused %s", inbox.KindOf(err))
			pause(ctx, 2*time.Millisecond)
			continue
		}
		w.line("ack %d %s %s", r.Seq, r.ID, body)
	}
}

// childSettles settles the events in order. After a failure it continues from the stored position.
func childSettles(ctx context.Context, s *store.Store, w *lineWriter) {
	for ctx.Err() == nil {
		if err := s.Register(ctx, "p", inbox.StartFrom{Start: true}); err != nil {
			w.line("refused %s", inbox.KindOf(err))
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
			if emits(s, seq) {
				st.Effects = &inbox.Effects{Emit: []inbox.Emission{{Event: "child.saw", Body: fmt.Appendf(nil, `{"of":%d}`, seq)}}}
			}
			window.Add(1)
			err := s.Settle(ctx, st, func(err error) {
				window.Add(-1)
				if err != nil {
					w.line("refused %s", inbox.KindOf(err))
					return
				}
				w.line("settled %d", seq)
			})
			if err != nil {
				break
			}
		}
	}
}

// emits reports whether the child emits an event in answer to an event: it does so for every third event that it accepted.
func emits(s *store.Store, seq int64) bool {
	if seq%3 != 0 {
		return false
	}
	e, err := s.Event(context.Background(), seq)
	return err == nil && e.Origin != inbox.FromEmission
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
