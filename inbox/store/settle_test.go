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
			st.Attempt.Result = inbox.Trap // the schema rejects a trap whose fate is done
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
	unchained := inboxtest.Settled("p", 12) // without a chain
	unchained.Term, unchained.Position.Cursor = s.Term(), 0
	wg.Add(1)
	if err := s.Settle(ctx, unchained, func(err error) {
		if err != nil {
			t.Errorf("the settlement without a chain: %v", err)
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
			t.Error("the invalid settlement committed")
		case seq > 6 && inbox.KindOf(err) != inbox.Unavailable:
			t.Errorf("settlement %d, after the failure: %v", seq, err)
		}
	}
	if !chain.Broken() {
		t.Error("the chain is not broken")
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
