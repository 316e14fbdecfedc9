package store_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
	"inbox/inbox/storetest"
)

func TestARetryOnAFailingDiskReturnsUnavailable(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	s := inboxtest.Store(t, store.Faulty(store.Options{}, func(point string) error {
		if broken.Load() && point == "query" {
			return store.WriteFails
		}
		return nil
	}))
	w := storetest.NewWorld(t, s)
	w.Arrive(1)
	w.Run(1, inbox.Dead, true)
	broken.Store(true)
	err := s.Retry(ctx, operator, "p", 1, 0)
	broken.Store(false)
	if inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("retry on a failing disk: %v", err)
	}
	w.Resolve(w.Events[0], 0, inbox.Retried)
	w.Verify()
}

func TestADamagedReasonIsShownAsDamagedWithTheRestOfTheTrace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, done := serve(t, store.Options{Dir: dir})
	w := storetest.NewWorld(t, s)
	w.Arrive(1)
	w.Run(1, inbox.Dead, true)
	done()
	store.Exec(t, dir, `UPDATE contents SET bytes = x'00' WHERE kind = 4`)
	s, err := store.Open(ctx, store.Options{Dir: dir, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tr, err := s.Trace(ctx, 1)
	if err != nil || tr.Deliveries[0].State != inbox.StateDead || !strings.Contains(tr.Deliveries[0].Attempts[0].Reason, "damaged") ||
		string(tr.Deliveries[0].Attempts[0].Log) != "log" {
		t.Errorf("trace %+v, %v", tr, err)
	}
	list, err := s.DeadLetters(ctx, inbox.DeadLetterFilter{})
	if err != nil || len(list) != 1 || !strings.Contains(list[0].Reason, "damaged") {
		t.Errorf("dead letters %+v, %v", list, err)
	}
}
