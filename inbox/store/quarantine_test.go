package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

func TestTheQuarantineIsBoundedAndKeepsWhatAMistypedSecretRefused(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{Bounds: store.QuarantineBounds{Count: 10, Bytes: 1 << 20, Age: time.Hour, PerAddress: 6}})
	refuse := func(n int, address, why string) {
		r := &inbox.Refused{Source: "q", Address: address, Why: why, ReceivedAt: time.Now(), Payload: inbox.Payload{Body: []byte(fmt.Sprint(address, why, n))}}
		if err := s.Refuse(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		refuse(i, "10.0.0.1", "mismatch")
	}
	for i := range 50 {
		refuse(i, "10.0.0.2", "malformed")
	}
	refuse(1, "10.0.0.1", "mismatch") // once more
	var kept []string
	if err := s.EachRefused(ctx, "", func(r *inbox.Refused) error {
		kept = append(kept, r.Why)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(strings.Join(kept, " "), "mismatch"); n != 5 || len(kept) > 10 {
		t.Errorf("kept %v", kept)
	}
	st, err := s.Stats(ctx)
	if err != nil || st.Quarantine.Dropped == 0 || st.Quarantine.Count != int64(len(kept)) {
		t.Errorf("stats %+v, %v", st.Quarantine, err)
	}
	list, err := s.RefusedList(ctx, "q", 100)
	if err != nil || len(list) != len(kept) {
		t.Fatalf("%d listed, %v", len(list), err)
	}
	a := inboxtest.Arrival("admitted now")
	a.Origin = inbox.FromRecheck
	if r, err := s.Readmit(ctx, list[0].ID, a); err != nil || r.Status != inbox.Stored {
		t.Errorf("readmit: %+v, %v", r, err)
	}
	if _, err := s.Readmit(ctx, list[0].ID, a); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("readmit twice: %v", err)
	}
}
