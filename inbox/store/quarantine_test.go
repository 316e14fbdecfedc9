package store_test

import (
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

func TestTheQuarantineDropsOldRequestsAlsoWithoutNewOnes(t *testing.T) {
	t.Parallel()
	dir := inboxtest.Dir(t)
	bounds := inbox.QuarantineBounds{Count: 100, Bytes: 1 << 20, Age: time.Hour}
	s, done := serve(t, store.Options{Dir: dir, Bounds: bounds})
	for i := range 3 {
		if err := s.Refuse(ctx, malformed(i)); err != nil {
			t.Fatal(err)
		}
	}
	done()
	later := func() time.Time { return time.Now().Add(2 * time.Hour) }
	s, done = serve(t, store.Options{Dir: dir, Bounds: bounds, Now: later})
	defer done()
	inboxtest.Eventually(t, "the requests are dropped and counted", func() bool {
		st, err := s.Stats(ctx)
		return err == nil && st.Quarantine.Count == 0 && st.Quarantine.Dropped == 3
	})
}
