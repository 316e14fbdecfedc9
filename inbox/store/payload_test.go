package store_test

import (
	"errors"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

func TestTheErrorForAMissingPayloadHasTheReason(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	inboxtest.Accept(t, s, "a")
	if _, err := s.Payload(ctx, 99); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("no such event: %v", err)
	}
	if err := store.Write(s, `DELETE FROM contents`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Payload(ctx, 1); !errors.Is(err, inbox.ErrDamaged) || inbox.KindOf(err) != inbox.Internal || inbox.HintOf(err) == "" {
		t.Errorf("one that is missing but was not purged: %v", err)
	}
	if err := store.Write(s, `UPDATE events SET content_id = NULL`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Payload(ctx, 1); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("a purged one: %v", err)
	}
}
