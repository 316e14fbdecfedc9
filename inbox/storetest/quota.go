package storetest

import (
	"testing"

	"inbox/inbox"
)

// Such a settlement would be refused for ever, and its attempt made again without end.
func aKVBeyondALoweredQuotaCanBeTidied(t *testing.T, open Open) {
	s := ready(t, open, 4)
	change := func(seq int64, c inbox.KVChange) error {
		st := withEffects(seq, inbox.Effects{KV: []inbox.KVChange{c}, KVLimit: 100})
		st.Plugin = "p"
		return Settle(s, st)
	}
	mustSettle(t, s, withEffects(1, inbox.Effects{KV: []inbox.KVChange{{Key: "a", Value: make([]byte, 199)}, {Key: "b", Value: make([]byte, 199)}}}))
	if err := change(2, inbox.KVChange{Key: "c", Deleted: true}); err != nil {
		t.Errorf("a deletion of an absent key: %v", err)
	}
	if err := change(3, inbox.KVChange{Key: "a", Deleted: true}); err != nil {
		t.Errorf("a deletion: %v", err)
	}
	if err := change(4, inbox.KVChange{Key: "b", Value: make([]byte, 200)}); inbox.EndOf(err) != inbox.EndRefused {
		t.Errorf("a longer value: %v", err)
	}
	if err := change(4, inbox.KVChange{Key: "b", Value: make([]byte, 198)}); err != nil {
		t.Errorf("a shorter value: %v", err)
	}
}
