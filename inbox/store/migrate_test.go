package store_test

import (
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
	"inbox/inbox/storetest"
)

// The first version of the schema has no fuel. Its attempts are kept.
func TestAStoreOfAnEarlierVersionIsMigrated(t *testing.T) {
	t.Parallel()
	dir := inboxtest.Dir(t)
	open := func() (*store.Store, func()) {
		s, err := store.Open(ctx, store.Options{Dir: dir, Create: true, Server: true, MinFree: 1})
		if err != nil {
			t.Fatal(err)
		}
		stop := inboxtest.Run(t, s)
		return s, func() {
			stop()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, shut := open()
	inboxtest.Accept(t, s, inboxtest.Body(1, 0))
	inboxtest.Accept(t, s, inboxtest.Body(1, 1))
	if err := s.Register(ctx, "p", inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	mustSettle(t, s, &inbox.Settlement{Attempt: storetest.Attempt(1, 1, inbox.OK, inbox.Done), Position: inbox.PositionChange{Cursor: 1}})
	schema := store.Schema(t, s)
	shut()
	store.Exec(t, dir, `DROP TABLE crash_records; DROP TABLE states; DROP TABLE kv; DROP TABLE emitted; DROP TABLE effects; DROP TABLE effect_tries; DROP TABLE effect_origins; DROP TABLE tokens; DROP TABLE entity_links; DROP TABLE fetches; ALTER TABLE replays DROP COLUMN effects; ALTER TABLE replays DROP COLUMN keep_keys; ALTER TABLE replay_parts DROP COLUMN dropped; ALTER TABLE plugins DROP COLUMN state_version; ALTER TABLE plugins DROP COLUMN filtered; ALTER TABLE plugins DROP COLUMN previous;
		ALTER TABLE plugins DROP COLUMN proven; ALTER TABLE attempts DROP COLUMN fuel; PRAGMA user_version = 1`)

	s, shut = open()
	defer shut()
	if got := store.Schema(t, s); got != schema {
		t.Errorf("the schema became\n%s", got)
	}
	a := storetest.Attempt(2, 1, inbox.OK, inbox.Done)
	a.Fuel = 5
	mustSettle(t, s, &inbox.Settlement{Attempt: a, Position: inbox.PositionChange{Cursor: 2}})
	for seq, want := range map[int64]int64{1: 0, 2: 5} {
		tr, err := s.Trace(ctx, seq)
		if err != nil || len(tr.Deliveries[0].Attempts) != 1 || tr.Deliveries[0].Attempts[0].Fuel != want {
			t.Errorf("event %d: %+v, %v", seq, tr, err)
		}
	}
	inboxtest.Check(t, s)
}
