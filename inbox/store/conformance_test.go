package store_test

import (
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
	"inbox/inbox/storetest"
)

var operator = inbox.Actor{Name: "operator", Reason: "test"}

func TestAFreshStorePassesTheSuite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t testing.TB, o storetest.Options) storetest.Store {
		return inboxtest.Store(t, store.Options{Dir: o.Dir, Now: o.Now, Bounds: o.Bounds, Relaxed: o.Fast})
	})
}

// ready returns a store with n events of one key and a plugin p that begins with the first.
func ready(t *testing.T, n int) *store.Store {
	t.Helper()
	s := inboxtest.Store(t, store.Options{})
	storetest.Ready(t, s, n)
	return s
}

// mustSettle commits a settlement of the plugin p.
func mustSettle(t *testing.T, s *store.Store, st *inbox.Settlement) {
	t.Helper()
	st.Plugin = "p"
	if err := storetest.Settle(s, st); err != nil {
		t.Fatal(err)
	}
}
