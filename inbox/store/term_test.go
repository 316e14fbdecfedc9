package store_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
	"inbox/inbox/storetest"
)

// openServer opens a server's store in a directory and runs its writer until close is called.
func openServer(t *testing.T, dir string) (s *store.Store, shut func()) {
	t.Helper()
	s, err := store.Open(ctx, store.Options{Dir: dir, Create: true, Server: true, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	stop := inboxtest.Run(t, s)
	return s, func() {
		stop()
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	}
}

// settleIn commits a settlement of a given term.
func settleIn(s *store.Store, term inbox.Term, st *inbox.Settlement) error {
	answer := make(chan error, 1)
	st.Term = term
	if err := s.Settle(ctx, st, func(err error) { answer <- err }); err != nil {
		return err
	}
	return <-answer
}

func TestEveryOpenOfAServersStoreBeginsANewTerm(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for want := inbox.Term(1); want <= 3; want++ {
		s, shut := openServer(t, dir)
		if err := s.Register(ctx, "p", inbox.StartFrom{Start: true}); err != nil {
			t.Fatal(err)
		}
		if _, term, err := s.Load(ctx, "p"); err != nil || term != want || s.Term() != want {
			t.Errorf("Load returns term %d, %v, and Term returns %d; want %d", term, err, s.Term(), want)
		}
		shut()
		reader, err := store.Open(ctx, store.Options{Dir: dir, MinFree: 1}) // a command begins no term
		if err != nil {
			t.Fatal(err)
		}
		if _, term, err := reader.Load(ctx, "p"); err != nil || term != want || reader.Term() != 0 {
			t.Errorf("in a command Load returns term %d, %v, and Term returns %d; want %d and 0", term, err, reader.Term(), want)
		}
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestASettlementOfAnEarlierTermIsFencedAndChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, shutFirst := openServer(t, dir)
	for i := range 3 {
		inboxtest.Accept(t, first, inboxtest.Body(1, i))
	}
	if err := first.Register(ctx, "p", inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	_, old, err := first.Load(ctx, "p")
	if err != nil {
		t.Fatal(err)
	}
	if err := settleIn(first, old, inboxtest.Settled("p", 1)); inbox.EndOf(err) != inbox.EndCommitted {
		t.Fatalf("in its own term: %v", err)
	}
	second, shutSecond := openServer(t, dir)
	defer shutSecond()
	before, err := second.Plugins(ctx)
	if err != nil {
		t.Fatal(err)
	}
	late := func(name string, s *store.Store, chain *inbox.Chain) {
		t.Helper()
		st := inboxtest.Settled("p", 2)
		st.Chain, st.Release.LaneRule, st.Position.Filtered, st.Release.Running = chain, "key/key", 1, "r1"
		st.Lane.Put = &inbox.Lane{ID: storetest.OneLane(), Next: 3, State: inbox.LaneReady}
		err := settleIn(s, old, st)
		if inbox.EndOf(err) != inbox.EndFenced || !errors.Is(err, inbox.ErrFenced) {
			t.Errorf("%s: %v", name, err)
		}
		if chain != nil && chain.Broken() {
			t.Errorf("%s: the fenced settlement broke its chain", name)
		}
	}
	late("through the first server's store", first, &inbox.Chain{})
	late("through the second server's store", second, &inbox.Chain{})
	late("without a chain", second, nil)
	if err := settleIn(second, 0, inboxtest.Settled("p", 2)); inbox.EndOf(err) != inbox.EndFenced {
		t.Errorf("without a term: %v", err)
	}
	if _, _, err := first.Load(ctx, "p"); !errors.Is(err, inbox.ErrFenced) {
		t.Errorf("Load of the first server is not fenced: %v", err)
	}
	after, err := second.Plugins(ctx)
	if diff := cmp.Diff(before, after); diff != "" || err != nil {
		t.Errorf("the plugins changed: %s, %v", diff, err)
	}
	if seqs, err := second.SettledAbove(ctx, "p", 0, 0); err != nil || !cmp.Equal(seqs, []int64{1}) {
		t.Errorf("settled %v, %v; want only the first event", seqs, err)
	}
	if list, err := second.CrashRecords(ctx); err != nil || len(list) > 0 {
		t.Errorf("crash records %+v, %v", list, err)
	}
	if err := settleIn(second, second.Term(), inboxtest.Settled("p", 2)); err != nil {
		t.Errorf("a settlement of the newest term: %v", err)
	}
	shutFirst()
	inboxtest.Check(t, second)
}

// A batch may contain settlements of two terms.
func TestAFencedSettlementDoesNotFailTheOthersOfItsBatch(t *testing.T) {
	t.Parallel()
	s := ready(t, 4)
	release := store.Hold(s)
	answers := make([]chan error, 4)
	for i := range answers {
		st := inboxtest.Settled("p", int64(i+1))
		st.Position.Cursor, st.Term = 0, s.Term()
		if i == 1 {
			st.Term--
		}
		answers[i] = make(chan error, 1)
		if err := s.Settle(ctx, st, func(err error) { answers[i] <- err }); err != nil {
			t.Fatal(err)
		}
	}
	release()
	for i, answer := range answers {
		want := inbox.EndCommitted
		if i == 1 {
			want = inbox.EndFenced
		}
		if err := <-answer; inbox.EndOf(err) != want {
			t.Errorf("settlement %d: %v, want it %s", i+1, err, want)
		}
	}
	if seqs, err := s.SettledAbove(ctx, "p", 0, 0); err != nil || !cmp.Equal(seqs, []int64{1, 3, 4}) {
		t.Errorf("settled %v, %v", seqs, err)
	}
}

// The term of the next server is one higher than the term of the killed server.
func TestSettlementsOfAKilledServerAreFenced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := &oracle{acked: map[string]inbox.Receipt{}}
	for round := range 3 {
		cmd, _, out := spawn(t, dir, fmt.Sprint("term-", round))
		o.read(t, out, after(200, func() { _ = cmd.Process.Kill() }))
		_ = cmd.Wait() // it was killed
	}
	s, shut := openServer(t, dir)
	defer shut()
	r, term, err := s.Load(ctx, "p")
	if err != nil || term != 4 {
		t.Fatalf("term %d, %v; want 4", term, err)
	}
	next := r.Cursor + 1
	if next > s.Head() {
		next = inboxtest.Accept(t, s, inboxtest.Body(1, 1)).Seq
	}
	if err := settleIn(s, term-1, inboxtest.Settled("p", next)); inbox.EndOf(err) != inbox.EndFenced {
		t.Errorf("a settlement of the killed server: %v", err)
	}
	if err := settleIn(s, term, inboxtest.Settled("p", next)); err != nil {
		t.Errorf("a settlement of the new server: %v", err)
	}
	inboxtest.Check(t, s)
	inboxtest.CheckAcked(t, s, o.acked)
}

// A server starts also on a full disk. Its term is stored with its first settlement, once there is space.
func TestATermThatCouldNotBeStoredAtTheStartIsStoredLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, shut := openServer(t, dir)
	inboxtest.Accept(t, first, inboxtest.Body(1, 1))
	if err := first.Register(ctx, "p", inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	shut()
	second, shut := openServer(t, dir)
	if err := store.Write(second, `UPDATE meta SET value = '1' WHERE name = 'term'`); err != nil { // as a full disk would leave it
		t.Fatal(err)
	}
	if _, term, err := second.Load(ctx, "p"); err != nil || term != 2 {
		t.Errorf("loaded in term %d, %v", term, err)
	}
	if err := settleIn(second, 1, inboxtest.Settled("p", 1)); inbox.EndOf(err) != inbox.EndFenced {
		t.Errorf("a settlement of the earlier term: %v", err)
	}
	if err := settleIn(second, 2, inboxtest.Settled("p", 1)); err != nil {
		t.Errorf("a settlement of its own term: %v", err)
	}
	inboxtest.Check(t, second)
	shut()
	third, shut := openServer(t, dir)
	defer shut()
	if third.Term() != 3 {
		t.Errorf("the next term is %d, not 3", third.Term())
	}
}
