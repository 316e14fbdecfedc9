package storetest

import (
	"errors"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

func fencingTests() []test {
	return []test{
		{"a settlement of an earlier term is fenced and changes nothing", aSettlementOfAnEarlierTermIsFencedAndChangesNothing},
		{"a call of one term does not change the crash records of another", aCallOfOneTermDoesNotChangeTheCrashRecordsOfAnother},
		{"count crashes takes over records of earlier terms and not of later ones", countCrashesTakesOverRecordsOfEarlierTermsAndNotOfLaterOnes},
	}
}

func aSettlementOfAnEarlierTermIsFencedAndChangesNothing(t *testing.T, open Open) {
	ctx, s := t.Context(), ready(t, open, 2)
	mustSettle(t, s, inboxtest.Settled("p", 1))
	before, err := s.Record(ctx, "p")
	if err != nil {
		t.Fatal(err)
	}
	st := inboxtest.Settled("p", 2)
	st.Term, st.Release.LaneRule, st.Position.Filtered = s.Term()-1, "key/key", 1
	answer := make(chan error, 1)
	if err = s.Settle(ctx, st, func(err error) { answer <- err }); err == nil {
		err = <-answer
	}
	if !errors.Is(err, inbox.ErrFenced) {
		t.Errorf("a settlement of term %d in term %d: %v", st.Term, s.Term(), err)
	}
	after, err := s.Record(ctx, "p")
	same(t, "the record", after, err, before)
	settled, err := s.SettledAbove(ctx, "p", 0, 0)
	same(t, "the settled events", settled, err, []int64{1})
	mustSettle(t, s, inboxtest.Settled("p", 2))
}
