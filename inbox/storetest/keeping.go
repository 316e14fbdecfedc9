package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"inbox/inbox"
)

// Keeping holds what plugins keep.
type Keeping interface {
	State(ctx context.Context, plugin string, lane inbox.LaneID) (inbox.State, error)
	KV(plugin string, mode inbox.Mode) inbox.KV
	Current(ctx context.Context, plugin string, mode inbox.Mode, e *inbox.Effects) (bool, error)
}

func keepingTests() []test {
	return []test{
		{"the newest state document of a lane is read back, and null deletes it", theNewestStateDocumentOfALaneIsReadBack},
		{"state is of one plugin, mode and lane", stateIsOfOnePluginModeAndLane},
		{"effects are visible before they are durable and gone when they fail", effectsAreVisibleBeforeTheyAreDurable},
		{"a settlement that rests on a changed key is refused and changes nothing", aSettlementOnAChangedKeyIsRefused},
		{"a listing is refused when a key appears, changes or goes", aListingIsRefusedWhenAKeyAppearsChangesOrGoes},
		{"a settlement beyond the quota of kv is refused", aSettlementBeyondTheQuotaIsRefused},
		{"a kv beyond a lowered quota can be tidied", aKVBeyondALoweredQuotaCanBeTidied},
		{"kv lists keys by prefix in bytewise order", kvListsKeysByPrefix},
		{"kv belongs to one plugin and mode", kvBelongsToOnePluginAndMode},
		{"increments of one counter by many settlers are all counted", incrementsOfOneCounterAreAllCounted},
	}
}

// withEffects returns a settlement of the first run of event seq, which is ok, with effects on its lane.
func withEffects(seq int64, e inbox.Effects) *inbox.Settlement {
	if e.Lane == (inbox.LaneID{}) {
		e.Lane = OneLane()
	}
	if e.KVLimit == 0 {
		e.KVLimit = inbox.DefaultKV
	}
	return &inbox.Settlement{
		Attempt: Attempt(seq, 1, inbox.OK, inbox.Done), Position: inbox.PositionChange{Cursor: seq}, Effects: &e,
	}
}

func document(text string, version int) *inbox.StateChange {
	c := &inbox.StateChange{State: inbox.State{Version: version}}
	if text != "" {
		c.Document = []byte(text)
	}
	return c
}

// wantState fails the test unless a lane of plugin p has the document.
func wantState(t *testing.T, s Store, lane inbox.LaneID, text string, version int) {
	t.Helper()
	doc, err := s.State(t.Context(), "p", lane)
	if err != nil || string(doc.Document) != text || doc.Version != version {
		t.Errorf("the state of %v is %q of version %d, %v; want %q of version %d", lane, doc.Document, doc.Version, err, text, version)
	}
}

// wantKey fails the test unless a key of plugin p holds the value; empty: it is absent.
func wantKey(t *testing.T, s Store, key, value string) int64 {
	t.Helper()
	got, version, err := s.KV("p", inbox.Live).Get(t.Context(), key)
	if err != nil || string(got) != value || (version == 0) != (value == "") {
		t.Errorf("key %s holds %q (version %d), %v; want %q", key, got, version, err, value)
	}
	return version
}

func theNewestStateDocumentOfALaneIsReadBack(t *testing.T, open Open) {
	s := ready(t, open, 4)
	wantState(t, s, OneLane(), "", 0)
	mustSettle(t, s, withEffects(1, inbox.Effects{State: document(`{"n":1}`, 1)}))
	wantState(t, s, OneLane(), `{"n":1}`, 1)
	mustSettle(t, s, withEffects(2, inbox.Effects{State: document(`{"n":2}`, 2)}))
	wantState(t, s, OneLane(), `{"n":2}`, 2)
	mustSettle(t, s, withEffects(3, inbox.Effects{State: document("", 2)}))
	wantState(t, s, OneLane(), "", 0)
	mustSettle(t, s, withEffects(4, inbox.Effects{State: document(`[]`, 0)}))
	wantState(t, s, OneLane(), `[]`, 0)
	if r, err := s.Record(t.Context(), "p"); err != nil || !r.HasState {
		t.Errorf("the record of a plugin with state: %+v, %v", r, err)
	}
}

func stateIsOfOnePluginModeAndLane(t *testing.T, open Open) {
	s := ready(t, open, 1)
	if err := s.Register(t.Context(), "q", inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	mustSettle(t, s, withEffects(1, inbox.Effects{State: document(`1`, 0)}))
	wantState(t, s, inbox.LaneID{Mode: inbox.Test, Key: OneLane().Key}, "", 0)
	wantState(t, s, inbox.LaneID{Mode: inbox.Live, Key: OneLane().Key + "0"}, "", 0)
	if doc, err := s.State(t.Context(), "q", OneLane()); err != nil || doc.Document != nil {
		t.Errorf("another plugin has %q, %v", doc.Document, err)
	}
}

// A settlement of an earlier term is queued like any other and fails: until then its effects are visible.
func effectsAreVisibleBeforeTheyAreDurable(t *testing.T, open Open) {
	s := ready(t, open, 2)
	st := withEffects(1, inbox.Effects{State: document(`{"n":1}`, 0), KV: []inbox.KVChange{{Key: "k", Value: []byte("1")}}})
	st.Plugin, st.Term = "p", s.Term()
	release, answer := make(chan struct{}), make(chan error, 2)
	blocked := &inbox.Settlement{Plugin: "p", Term: s.Term()} // its done holds up the writer
	if err := s.Settle(t.Context(), blocked, func(err error) { <-release; answer <- err }); err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(t.Context(), st, func(err error) { answer <- err }); err != nil {
		t.Fatal(err)
	}
	wantState(t, s, OneLane(), `{"n":1}`, 0)
	wantKey(t, s, "k", "1")
	close(release)
	for range 2 {
		if err := <-answer; err != nil {
			t.Fatal(err)
		}
	}
	wantState(t, s, OneLane(), `{"n":1}`, 0)
	wantKey(t, s, "k", "1")

	late := withEffects(2, inbox.Effects{State: document(`{"n":2}`, 0), KV: []inbox.KVChange{{Key: "k", Value: []byte("2")}, {Key: "new", Value: []byte("2")}}})
	late.Plugin, late.Term = "p", s.Term()-1
	if err := s.Settle(t.Context(), late, func(err error) { answer <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; !errors.Is(err, inbox.ErrFenced) {
		t.Fatalf("a settlement of an earlier term: %v", err)
	}
	wantState(t, s, OneLane(), `{"n":1}`, 0)
	wantKey(t, s, "k", "1")
	wantKey(t, s, "new", "")
}

func aSettlementOnAChangedKeyIsRefused(t *testing.T, open Open) {
	s := ready(t, open, 4)
	absent := inbox.Reads{Keys: []inbox.KVKey{{Key: "k"}}}
	mustSettle(t, s, withEffects(1, inbox.Effects{KV: []inbox.KVChange{{Key: "k", Value: []byte("1")}}, Reads: absent}))
	first := wantKey(t, s, "k", "1")
	stale := withEffects(2, inbox.Effects{
		State: document(`1`, 0), KV: []inbox.KVChange{{Key: "k", Value: []byte("x")}, {Key: "other", Value: []byte("x")}}, Reads: absent,
	})
	stale.Plugin = "p"
	if current, err := s.Current(t.Context(), "p", inbox.Live, stale.Effects); err != nil || current {
		t.Errorf("a stale read is current: %v, %v", current, err)
	}
	if err := Settle(s, stale); inbox.EndOf(err) != inbox.EndRefused {
		t.Fatalf("a settlement on a changed key: %v", err)
	}
	wantKey(t, s, "k", "1")
	wantKey(t, s, "other", "")
	wantState(t, s, OneLane(), "", 0)
	settled, err := s.SettledAbove(t.Context(), "p", 0, 0)
	same(t, "the settled events", settled, err, []int64{1})

	mustSettle(t, s, withEffects(2, inbox.Effects{
		KV: []inbox.KVChange{{Key: "k", Deleted: true}}, Reads: inbox.Reads{Keys: []inbox.KVKey{{Key: "k", Version: first}}},
	}))
	wantKey(t, s, "k", "")
	mustSettle(t, s, withEffects(3, inbox.Effects{KV: []inbox.KVChange{{Key: "k", Value: []byte("3")}}, Reads: absent}))
	if again := wantKey(t, s, "k", "3"); again == first {
		t.Errorf("a key that was deleted and set again has its old version %d", again)
	}
	mustSettle(t, s, withEffects(4, inbox.Effects{KV: []inbox.KVChange{{Key: "k", Value: []byte("blind")}}}))
	wantKey(t, s, "k", "blind")
}

func aListingIsRefusedWhenAKeyAppearsChangesOrGoes(t *testing.T, open Open) {
	s := ready(t, open, 8)
	set := func(seq int64, keys ...string) {
		t.Helper()
		var changes []inbox.KVChange
		for _, k := range keys {
			name, deleted := strings.CutPrefix(k, "-")
			changes = append(changes, inbox.KVChange{Key: name, Value: []byte(strconv.FormatInt(seq, 10)), Deleted: deleted})
		}
		mustSettle(t, s, withEffects(seq, inbox.Effects{KV: changes}))
	}
	seen := func(limit int) *inbox.Effects {
		t.Helper()
		keys, err := s.KV("p", inbox.Live).List(t.Context(), "a/", "", limit)
		if err != nil {
			t.Fatal(err)
		}
		return &inbox.Effects{Lane: OneLane(), Reads: inbox.Reads{Lists: []inbox.KVList{{Prefix: "a/", Limit: limit, Sum: inbox.SumKeys(keys)}}}}
	}
	want := func(e *inbox.Effects, holds bool) {
		t.Helper()
		if current, err := s.Current(t.Context(), "p", inbox.Live, e); err != nil || current != holds {
			t.Errorf("the listing holds: %v, %v; want %v", current, err, holds)
		}
	}
	set(1, "a/1", "a/2", "b")
	before := seen(10)
	set(2, "b", "a", "a0")
	want(before, true)
	set(3, "a/3")
	want(before, false)
	before, first := seen(10), seen(2)
	set(4, "a/2")
	want(before, false)
	want(first, false)
	before, first = seen(10), seen(2)
	set(5, "-a/3")
	want(before, false)
	want(first, true)
}

func aSettlementBeyondTheQuotaIsRefused(t *testing.T, open Open) {
	s := ready(t, open, 4)
	set := func(seq int64, limit int64, keys ...string) error {
		var changes []inbox.KVChange
		for _, k := range keys {
			changes = append(changes, inbox.KVChange{Key: k, Value: make([]byte, 99)})
		}
		st := withEffects(seq, inbox.Effects{KV: changes, KVLimit: limit})
		st.Plugin = "p"
		return Settle(s, st)
	}
	if err := set(1, 200, "a", "b"); err != nil {
		t.Fatal(err)
	}
	if err := set(2, 200, "c"); inbox.EndOf(err) != inbox.EndRefused {
		t.Errorf("beyond the quota: %v", err)
	}
	if err := set(2, 200, "a", "b"); err != nil {
		t.Errorf("overwriting within the quota: %v", err)
	}
	mustSettle(t, s, withEffects(3, inbox.Effects{KV: []inbox.KVChange{{Key: "a", Deleted: true}}}))
	if err := set(4, 200, "c"); err != nil {
		t.Errorf("within the quota after a deletion: %v", err)
	}
	if keys, bytes, err := s.KV("p", inbox.Live).Usage(t.Context()); err != nil || keys != 2 || bytes != 200 {
		t.Errorf("the usage is %d keys and %d bytes, %v", keys, bytes, err)
	}
}

func kvListsKeysByPrefix(t *testing.T, open Open) {
	s := ready(t, open, 1)
	names := []string{"a", "a/", "a/1", "a/10", "a/2", "a/é", "a0", "b/1"}
	var changes []inbox.KVChange
	for _, name := range names {
		changes = append(changes, inbox.KVChange{Key: name, Value: nil})
	}
	mustSettle(t, s, withEffects(1, inbox.Effects{KV: changes}))
	for _, c := range []struct {
		prefix, after string
		limit         int
		want          string
	}{
		{"a/", "", 10, "a/ a/1 a/10 a/2 a/é"}, {"a/", "a/1", 2, "a/10 a/2"}, {"", "", 3, "a a/ a/1"}, {"b", "b/1", 9, ""}, {"c", "", 9, ""}, {"a/", "a", 1, "a/"},
	} {
		keys, err := s.KV("p", inbox.Live).List(t.Context(), c.prefix, c.after, c.limit)
		var got []string
		for _, k := range keys {
			got = append(got, k.Key)
		}
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("keys with %q after %q: %v, %v; want %s", c.prefix, c.after, got, err, c.want)
		}
	}
}

func kvBelongsToOnePluginAndMode(t *testing.T, open Open) {
	s := ready(t, open, 1)
	if err := s.Register(t.Context(), "q", inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	mustSettle(t, s, withEffects(1, inbox.Effects{KV: []inbox.KVChange{{Key: "k", Value: []byte("1")}}}))
	for _, other := range []inbox.KV{s.KV("p", inbox.Test), s.KV("q", inbox.Live)} {
		if value, version, err := other.Get(t.Context(), "k"); err != nil || version != 0 {
			t.Errorf("another kv has %q of version %d, %v", value, version, err)
		}
		if keys, bytes, err := other.Usage(t.Context()); err != nil || keys != 0 || bytes != 0 {
			t.Errorf("another kv has %d keys and %d bytes, %v", keys, bytes, err)
		}
	}
}

// One goroutine settles, as the loop of a plugin does; others read before it and hand it what they saw.
func incrementsOfOneCounterAreAllCounted(t *testing.T, open Open) {
	const events, readers = 200, 8
	s := open(t, Options{Fast: true})
	Ready(t, s, events)
	kv := s.KV("p", inbox.Live)
	read := func() inbox.Effects {
		value, version, err := kv.Get(t.Context(), "n")
		if err != nil {
			t.Error(err)
		}
		n, _ := strconv.Atoi(string(value)) // absent: 0
		return inbox.Effects{
			KV:    []inbox.KVChange{{Key: "n", Value: []byte(strconv.Itoa(n + 1))}},
			Reads: inbox.Reads{Keys: []inbox.KVKey{{Key: "n", Version: version}}},
		}
	}
	attempts, stop := make(chan inbox.Effects), make(chan struct{})
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for {
				select {
				case attempts <- read():
				case <-stop:
					return
				}
			}
		})
	}
	refused := 0
	done := make(chan error, events)
	for seq := int64(1); seq <= events; {
		st := withEffects(seq, <-attempts)
		st.Plugin, st.Term = "p", s.Term()
		switch err := s.Settle(context.Background(), st, func(err error) { done <- err }); inbox.EndOf(err) {
		case inbox.EndCommitted:
			seq++
		case inbox.EndRefused:
			refused++
		default:
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
	for range events {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if refused == 0 {
		t.Error("no attempt was refused: the test shows nothing")
	}
	wantKey(t, s, "n", fmt.Sprint(events))
}
