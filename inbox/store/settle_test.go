package store_test

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
	"inbox/inbox/storetest"
)

func TestNoSettlementOfAChainCommitsAfterAFailedOne(t *testing.T) {
	t.Parallel()
	s := ready(t, 12)
	release := store.Hold(s)
	chain := &inbox.Chain{}
	var mu sync.Mutex
	answers := map[int64]error{}
	var wg sync.WaitGroup
	for seq := int64(1); seq <= 10; seq++ {
		st := inboxtest.Settled("p", seq)
		st.Term, st.Chain = s.Term(), chain
		if seq == 6 {
			st.Attempt.Result = inbox.Trap // which is never done: the schema refuses it
		}
		wg.Add(1)
		if err := s.Settle(ctx, st, func(err error) {
			mu.Lock()
			defer mu.Unlock()
			answers[seq] = err
			wg.Done()
		}); err != nil {
			t.Fatal(err)
		}
	}
	neighbour := inboxtest.Settled("p", 12) // of no chain
	neighbour.Term, neighbour.Cursor = s.Term(), 0
	wg.Add(1)
	if err := s.Settle(ctx, neighbour, func(err error) {
		if err != nil {
			t.Errorf("the neighbour: %v", err)
		}
		wg.Done()
	}); err != nil {
		t.Fatal(err)
	}
	release()
	wg.Wait()
	for seq, err := range answers {
		switch {
		case seq < 6 && err != nil:
			t.Errorf("settlement %d, before the failure: %v", seq, err)
		case seq == 6 && err == nil:
			t.Error("the illegal one was settled")
		case seq > 6 && inbox.KindOf(err) != inbox.Unavailable:
			t.Errorf("settlement %d, after the failure: %v", seq, err)
		}
	}
	if !chain.Broken() {
		t.Error("the chain is whole")
	}
	if seqs, err := s.SettledAbove(ctx, "p", 0, 0); err != nil || !cmp.Equal(seqs, []int64{1, 2, 3, 4, 5, 12}) {
		t.Errorf("settled %v, %v", seqs, err)
	}
	st := inboxtest.Settled("p", 11)
	st.Chain = chain
	if err := storetest.Settle(s, st); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("a later one of the broken chain: %v", err)
	}
}
