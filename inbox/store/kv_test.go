package store_test

import (
	"errors"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
	"inbox/inbox/storetest"
)

// A settlement that failed because of the old value would be made again without end.
func TestADamagedValueOfKVIsReportedAndCanBeReplacedOrDeleted(t *testing.T) {
	t.Parallel()
	dir := inboxtest.Dir(t)
	s, done := serve(t, store.Options{Dir: dir})
	storetest.Ready(t, s, 2)
	change := func(seq int64, changes ...inbox.KVChange) error {
		return storetest.Settle(s, &inbox.Settlement{
			Plugin:  "p",
			Attempt: &inbox.Attempt{Plugin: "p", Seq: seq, Number: 1, Result: inbox.OK, Fate: inbox.Done},
			Effects: &inbox.Effects{Lane: storetest.OneLane(), KV: changes, KVLimit: inbox.DefaultKV},
		})
	}
	must(t, "settle", change(1, inbox.KVChange{Key: "a", Value: []byte("1")}, inbox.KVChange{Key: "b", Value: []byte("22")}))
	done()
	store.Exec(t, dir, `UPDATE contents SET bytes = x'00' WHERE kind = 6`)
	s, done = serve(t, store.Options{Dir: dir})
	defer done()
	kv := s.KV("p", inbox.Live)
	if _, _, err := kv.Get(ctx, "a"); !errors.Is(err, inbox.ErrDamaged) {
		t.Errorf("a damaged value: %v", err)
	}
	must(t, "replace", change(2, inbox.KVChange{Key: "a", Value: []byte("new")}, inbox.KVChange{Key: "b", Deleted: true}))
	if value, _, err := kv.Get(ctx, "a"); err != nil || string(value) != "new" {
		t.Errorf("the new value is %q, %v", value, err)
	}
	if keys, bytes, err := kv.Usage(ctx); err != nil || keys != 1 || bytes != 4 {
		t.Errorf("the usage is %d keys and %d bytes, %v", keys, bytes, err)
	}
}
