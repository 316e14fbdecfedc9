package store_test

import (
	"fmt"
	"math"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// serve opens or creates a store and runs its writer. done stops the writer, and checks and closes the store.
func serve(t testing.TB, o store.Options) (s *store.Store, done func()) {
	t.Helper()
	o.Create, o.Server = true, true
	if o.MinFree == 0 {
		o.MinFree = 1
	}
	s, err := store.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	stop := inboxtest.Run(t, s)
	return s, func() {
		t.Helper()
		stop()
		inboxtest.Check(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestDuplicatesAreDetectedAfterRestartsAndInSealedRuns(t *testing.T) {
	t.Parallel()
	dir := inboxtest.Dir(t)
	const n, size = 600, 16
	for round := range 3 {
		s, done := serve(t, store.SmallRuns(store.Options{Dir: dir}, size))
		for i := range n {
			r := inboxtest.Accept(t, s, inboxtest.Body(i, 0))
			want := inbox.Stored
			if round > 0 {
				want = inbox.Duplicate
			}
			if r.Status != want || r.Seq != int64(i+1) {
				t.Fatalf("round %d, body %d: %+v", round, i, r)
			}
		}
		inboxtest.Eventually(t, "the digests are sealed and merged", func() bool {
			recent, runs := store.Digests(s)
			return recent <= size && runs > 0 && runs < 20
		})
		done()
	}
}

func TestADuplicateIsDetectedAfterItsPayloadWasPurged(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	first := inboxtest.Accept(t, s, "to be purged")
	for _, statement := range []string{`UPDATE events SET content_id = NULL`, `DELETE FROM contents`} {
		if err := store.Write(s, statement); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Payload(ctx, first.Seq); inbox.KindOf(err) != inbox.NotFound || !strings.Contains(err.Error(), "purged") {
		t.Errorf("the payload: %v", err)
	}
	if r := inboxtest.Accept(t, s, "to be purged"); r.Status != inbox.Duplicate || r.ID != first.ID {
		t.Errorf("receipt %+v", r)
	}
}

func TestRandomBodiesAndRestartsMatchASet(t *testing.T) {
	t.Parallel()
	outer, base := t, t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "store")
		if err != nil {
			t.Fatal(err)
		}
		model := map[string]int64{}
		o := store.Normal(store.SmallRuns(store.Options{Dir: dir, Create: true, Server: true, MinFree: 1}, 3))
		for range rapid.IntRange(1, 3).Draw(t, "runs of the program") {
			s, err := store.Open(ctx, o)
			if err != nil {
				t.Fatal(err)
			}
			stop := inboxtest.Run(outer, s)
			for _, n := range rapid.SliceOfN(rapid.IntRange(0, 60), 0, 50).Draw(t, "bodies") {
				body := fmt.Sprint("body ", n)
				r, err := s.Accept(ctx, inboxtest.Arrival(body))
				if err != nil {
					t.Fatal(err)
				}
				seq, exists := model[body]
				if !exists {
					seq = int64(len(model) + 1)
					model[body] = seq
				}
				if r.Seq != seq || (r.Status == inbox.Duplicate) != exists {
					t.Fatalf("%s: %+v, want seq %d, duplicate %v", body, r, seq, exists)
				}
			}
			stop()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// In each round another operation of sealing or merging fails, and the store is opened again.
func TestSealingContinuesAfterAFailureOfAnyOperation(t *testing.T) {
	t.Parallel()
	const n, size = 45, 4
	full := inboxtest.Dir(t)
	filled, done := serve(t, store.Normal(store.SmallRuns(store.Options{Dir: full, MinFree: math.MaxUint64}, size))) // with little disk space, nothing is sealed
	for i := range n {
		inboxtest.Accept(t, filled, inboxtest.Body(i, 0))
	}
	done()
	for at := 0; ; at += long(33, 21, 3) {
		dir := inboxtest.Dir(t)
		if err := os.CopyFS(dir, os.DirFS(full)); err != nil {
			t.Fatal(err)
		}
		var calls atomic.Int64
		reached := make(chan struct{})
		s, done := serve(t, store.Normal(store.SmallRuns(store.Faulty(store.Options{Dir: dir}, func(point string) error {
			if point == store.PointReload { // it is called by Open, too
				return nil
			}
			if calls.Add(1) == int64(at)+1 {
				close(reached)
			}
			if calls.Load() > int64(at) {
				return store.Full
			}
			return nil
		}), size)))
		sealed := func() bool {
			select {
			case <-reached:
				return true
			default:
			}
			recent, runs := store.Digests(s)
			return recent <= size && runs <= 4
		}
		inboxtest.Eventually(t, "sealing failed or ended", sealed)
		done()
		s, done = serve(t, store.Normal(store.SmallRuns(store.Options{Dir: dir}, size)))
		inboxtest.Eventually(t, "the rest is sealed and merged", func() bool {
			recent, runs := store.Digests(s)
			return recent <= size && runs == 4 // one of 32, three of 4
		})
		for i := range n {
			if r := inboxtest.Accept(t, s, inboxtest.Body(i, 0)); r.Status != inbox.Duplicate || r.Seq != int64(i+1) {
				t.Fatalf("with operation %d failing, body %d: %+v", at, i, r)
			}
		}
		done()
		select {
		case <-reached:
		default:
			return
		}
	}
}

func TestAnUnfinishedRunIsContinuedAndNotRestarted(t *testing.T) {
	t.Parallel()
	const size = 5000 // four parts
	dir := inboxtest.Dir(t)
	o := func(o store.Options) store.Options { o.Dir = dir; return store.Normal(store.SmallRuns(o, size)) }
	filled, done := serve(t, o(store.Options{MinFree: math.MaxUint64}))
	inboxtest.Fill(t, filled, size+10)
	done()
	// A part takes 63 statements, so the third part is interrupted.
	var execs atomic.Int64
	cut := make(chan struct{})
	s, done := serve(t, o(store.Faulty(store.Options{}, func(point string) error {
		if point == store.PointExec && execs.Add(1) >= 150 {
			if execs.Load() == 150 {
				close(cut)
			}
			return store.Full
		}
		return nil
	})))
	<-cut
	done()
	if parts := store.Figure(t, dir, `SELECT count(*) FROM digest_filters`); parts == 0 || parts == 4 {
		t.Fatalf("%d parts were written", parts)
	}
	store.Exec(t, dir, `CREATE TRIGGER once BEFORE INSERT ON digest_filters WHEN NEW.part = 0 BEGIN SELECT RAISE(ABORT, 'restarted'); END`)
	s, done = serve(t, o(store.Options{}))
	inboxtest.Eventually(t, "the run is sealed", func() bool { _, runs := store.Digests(s); return runs == 1 })
	if r := inboxtest.Accept(t, s, inboxtest.Body(17, 0)); r.Status != inbox.Duplicate {
		t.Errorf("receipt %+v", r)
	}
	done()
}
