package rebuild_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/rebuild"
	"inbox/inbox/store"
	"inbox/inbox/storetest"
)

// chamber is a store with a plugin p, whose release notes in its state the seqs that it has seen.
type chamber struct {
	*store.Store
	t       *testing.T
	o       rebuild.Options
	settled []int64 // since take was called
	held    int     // calls of Suspend
}

// begin returns a chamber with events, the n-th of which belongs to the lane of its id.
func begin(t *testing.T, ids ...int) *chamber {
	t.Helper()
	c := &chamber{Store: inboxtest.Store(t, store.Options{}), t: t}
	for n, id := range ids {
		inboxtest.Accept(t, c.Store, inboxtest.Body(id, n))
	}
	if err := c.Register(t.Context(), "p", inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	c.o = rebuild.Options{
		Store: c, Actor: inbox.Actor{Name: "operator", Reason: "a fault"}, Plugin: "p", Manifest: &inbox.Manifest{StateVersion: 1, Events: []string{"*"}, Modes: []inbox.Mode{inbox.Live}},
		Attempt: func(_ context.Context, w *inbox.Work) inbox.Outcome { return saw(w) },
		Lane:    func(e *inbox.Event, _ []byte) inbox.LaneID { return inbox.LaneID{Mode: e.Mode, Key: e.View.Key} },
		Watch: func(context.Context) (func(context.Context) ([]int64, error), func(), error) {
			return func(context.Context) ([]int64, error) {
				list := c.settled
				c.settled = nil
				return list, nil
			}, func() {}, nil
		},
		Suspend: func(context.Context) (func(), error) {
			c.held++
			return func() { c.held-- }, nil
		},
	}
	return c
}

// saw is the outcome of the release that folds. Its requests and events must be dropped.
func saw(w *inbox.Work) inbox.Outcome {
	lane := inbox.LaneID{Mode: w.Event.Mode, Key: w.Event.View.Key}
	doc := fmt.Appendf(nil, `%s,%d"`, strings.TrimSuffix(string(w.State.Document), `"`), w.Event.Seq)
	if len(w.State.Document) == 0 {
		doc = fmt.Appendf(nil, `"%d"`, w.Event.Seq)
	}
	return inbox.Outcome{Result: inbox.OK, Effects: &inbox.Effects{
		Lane: lane, Subject: lane, State: &inbox.StateChange{State: inbox.State{Document: doc, Version: 1}},
		Requests: []inbox.Outgoing{storetest.Ask("https://crm.example.com", "/")}, Emit: []inbox.Emission{{Event: "x.y", Body: []byte(`{}`)}},
	}}
}

// settle settles an event with a document, as the release before did.
func (c *chamber) settle(seq int64, doc string) {
	c.t.Helper()
	st := &inbox.Settlement{Plugin: "p", Attempt: storetest.Attempt(seq, 1, inbox.OK, inbox.Done)}
	if doc != "" {
		lane := c.lane(seq)
		st.Effects = &inbox.Effects{Lane: lane, Subject: lane, State: &inbox.StateChange{State: inbox.State{Document: []byte(doc), Version: 3}}}
	}
	if err := storetest.Settle(c.Store, st); err != nil {
		c.t.Fatal(err)
	}
	c.settled = append(c.settled, seq)
}

func (c *chamber) lane(seq int64) inbox.LaneID {
	c.t.Helper()
	list, err := c.EventsAfter(context.Background(), seq-1, 1)
	if err != nil {
		c.t.Fatal(err)
	}
	return inbox.LaneID{Mode: list[0].Mode, Key: list[0].View.Key}
}

// documents returns the documents of now, by the id of their lane.
func (c *chamber) documents() map[string]string {
	c.t.Helper()
	docs := map[string]string{}
	err := c.EachState(context.Background(), inbox.StateFilter{Plugin: "p"}, func(e *inbox.StateEntry) error {
		now, err := c.StateAt(context.Background(), e.StateID, inbox.StateMoment{})
		docs[e.Lane.Key[strings.LastIndex(e.Lane.Key, "/")+1:]] = string(now.Document)
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return docs
}

// want checks the documents.
func (c *chamber) want(docs map[string]string) {
	c.t.Helper()
	if got := c.documents(); !maps.Equal(got, docs) {
		c.t.Errorf("the documents are %v, want %v", got, docs)
	}
	if c.held != 0 {
		c.t.Error("the plugin is still suspended")
	}
}

func TestStateIsFoldedAgainInTheOrderOfTheLog(t *testing.T) {
	t.Parallel()
	c := begin(t, 1, 2, 1, 3, 1, 4)
	for _, seq := range []int64{3, 1, 2, 5} { // 3 was settled before 1: by a replay
		c.settle(seq, `"wrong"`)
	}
	c.settle(6, "")
	done, err := rebuild.Run(t.Context(), c.o, nil)
	if err != nil || done.Events != 5 || done.Lanes != 3 || done.Changed != 3 || done.Deleted != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	c.want(map[string]string{"1": `"1,3,5"`, "2": `"2"`, "4": `"6"`})
	id := inbox.StateID{Plugin: "p", Lane: c.lane(1)}
	newest, err := c.StateAt(t.Context(), id, inbox.StateMoment{})
	if err != nil || newest.Attempt != 0 || newest.Seq != 5 || newest.Version != 1 || newest.Deleted {
		t.Errorf("the change: %+v, %v", newest, err)
	}
	if old, err := c.StateAt(t.Context(), id, inbox.StateMoment{Change: newest.Change - 1}); err != nil || string(old.Document) != `"wrong"` {
		t.Errorf("the change before: %+v, %v", old, err)
	}
	if r, err := c.Record(t.Context(), "p"); err != nil || r.StateVersion != 1 {
		t.Errorf("the plugin's state_version: %+v, %v", r, err)
	}
	if doc, err := c.State(t.Context(), "p", id.Lane); err != nil || string(doc.Document) != `"1,3,5"` {
		t.Errorf("the next attempt gets %s, %v", doc.Document, err)
	}
	if n, err := c.NewestEffect(t.Context()); err != nil || n != 0 || c.Head() != 6 {
		t.Errorf("requests %d and %d events after a fold that drops them, %v", n, c.Head(), err)
	}
	if log, err := c.AuditLog(t.Context(), inbox.AuditFilter{}); err != nil || !slices.ContainsFunc(log, func(e inbox.AuditEntry) bool {
		return e.Action == "rebuild" && e.Target == "state of plugin p, 3 documents changed, 0 of them deleted" && e.Reason == "a fault"
	}) {
		t.Errorf("the audit log: %+v, %v", log, err)
	}
	if done, err := rebuild.Run(t.Context(), c.o, nil); err != nil || done.Changed != 0 {
		t.Errorf("a second fold changes %+v, %v", done, err)
	}
}

func TestADocumentOfALaneWithoutSettledEventsIsDeleted(t *testing.T) {
	t.Parallel()
	c := begin(t, 1, 2)
	c.settle(1, `"kept"`)
	c.settle(2, `"kept"`)
	c.o.Lane = func(e *inbox.Event, _ []byte) inbox.LaneID { return inbox.LaneID{Mode: e.Mode, Key: "@all/1"} }
	if done, err := rebuild.Run(t.Context(), c.o, nil); err != nil || done.Deleted != 2 {
		t.Errorf("%+v, %v", done, err)
	}
	c.want(map[string]string{"1": `"1,2"`})
}

func TestOnlyTheChosenLanesAreFolded(t *testing.T) {
	t.Parallel()
	c := begin(t, 1, 2, 1, 2)
	for seq := range int64(4) {
		c.settle(seq+1, `"old"`)
	}
	c.o.Chosen = map[inbox.LaneID]bool{c.lane(1): true}
	if done, err := rebuild.Run(t.Context(), c.o, nil); err != nil || done.Events != 2 || done.Lanes != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	c.want(map[string]string{"1": `"1,3"`, "2": `"old"`})
	if r, err := c.Record(t.Context(), "p"); err != nil || r.StateVersion != 3 {
		t.Errorf("the plugin's state_version: %+v, %v", r, err)
	}
}

func TestAFoldThatFailsKeepsTheOldState(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(c *chamber)
		want   string
	}{
		"a failing attempt": {func(c *chamber) {
			c.o.Attempt = func(_ context.Context, w *inbox.Work) inbox.Outcome {
				if w.Event.Seq == 2 {
					return inbox.Outcome{Result: inbox.Trap, Reason: "unreachable: Ada", HostWords: len("unreachable")}
				}
				return saw(w)
			}
		}, "the attempt ended with trap: unreachable; the state stays as it was"},
		"a purged payload":  {func(c *chamber) { c.o.Store = purged{c.Store, 2} }, "its payload is purged; the state stays as it was"},
		"a disk that fails": {func(c *chamber) { c.o.Store = unwritable{c.Store} }, "the disk"},
		"too many documents": {func(c *chamber) {
			c.o.Attempt = func(_ context.Context, w *inbox.Work) inbox.Outcome {
				out := saw(w)
				out.Effects.State.Document = make([]byte, 130<<20)
				return out
			}
		}, "the documents have more than 256 MiB"},
		"a plugin that does not stand still": {func(c *chamber) {
			c.o.Suspend = func(context.Context) (func(), error) { return nil, errors.New("it still runs") }
		}, "it still runs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := begin(t, 1, 2, 3)
			for seq := range int64(3) {
				r.settle(seq+1, `"old"`)
			}
			c.change(r)
			if _, err := rebuild.Run(t.Context(), r.o, func(context.Context) { t.Error("it was swapped") }); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "Ada") {
				t.Errorf("%v, want %q", err, c.want)
			}
			r.want(map[string]string{"1": `"old"`, "2": `"old"`, "3": `"old"`})
		})
	}
}

// purged is a store in which the payload of an event is purged.
type purged struct {
	*store.Store
	seq int64
}

// Payload does not find the payload.
func (s purged) Payload(ctx context.Context, seq int64) (inbox.Payload, error) {
	if seq == s.seq {
		return inbox.Payload{}, inbox.Errorf(inbox.NotFound, "", "it is purged")
	}
	return s.Store.Payload(ctx, seq)
}

// unwritable is a store whose disk fails.
type unwritable struct{ *store.Store }

// SwapState fails.
func (unwritable) SwapState(context.Context, inbox.Actor, *inbox.StateSwap) error {
	return errors.New("the disk is full")
}

func TestEventsThatAreSettledMeanwhileAreFoldedAtTheirPlace(t *testing.T) {
	t.Parallel()
	for _, kv := range []bool{false, true} {
		c := begin(t, 1, 2, 1, 2, 1, 1)
		c.settle(1, `"old"`)
		c.settle(4, `"old"`)
		c.o.UsesKV = kv
		attempts := 0
		c.o.Attempt = func(_ context.Context, w *inbox.Work) inbox.Outcome {
			if attempts++; attempts == 2 { // the first round folds 1 and 4
				c.settle(5, `"old"`) // in order
				c.settle(2, `"old"`) // late: 4 of its lane is folded
			}
			return saw(w)
		}
		held := c.o.Suspend
		c.o.Suspend = func(ctx context.Context) (func(), error) { // settled at the last moment: 3 is late too
			if attempts < 20 {
				c.settle(6, `"old"`)
				c.settle(3, `"old"`)
				attempts = 20
			}
			return held(ctx)
		}
		if _, err := rebuild.Run(t.Context(), c.o, nil); err != nil {
			t.Errorf("kv %v: %v", kv, err)
		}
		c.want(map[string]string{"1": `"1,3,5,6"`, "2": `"2,4"`})
	}
}

func TestAnEventThatIsSettledOverAndOverLateEndsTheFold(t *testing.T) {
	t.Parallel()
	c := begin(t, 1, 1, 1, 1, 1, 1)
	c.settle(6, `"old"`)
	c.o.UsesKV = true
	next := int64(5)
	c.o.Suspend = func(context.Context) (func(), error) {
		c.settle(next, `"old"`)
		next--
		return func() {}, nil
	}
	if _, err := rebuild.Run(t.Context(), c.o, nil); inbox.KindOf(err) != inbox.Conflict || !strings.Contains(err.Error(), "settled late again and again") {
		t.Error(err)
	}
	c.want(map[string]string{"1": `"old"`})
}

func TestKVIsFoldedWithTheState(t *testing.T) {
	t.Parallel()
	c := begin(t, 1, 2, 1)
	for seq := range int64(3) {
		lane := c.lane(seq + 1)
		err := storetest.Settle(c.Store, &inbox.Settlement{Plugin: "p", Attempt: storetest.Attempt(seq+1, 1, inbox.OK, inbox.Done), Effects: &inbox.Effects{
			Lane: lane, Subject: lane, KVLimit: 1 << 20, KV: []inbox.KVChange{{Key: fmt.Sprint("old/", seq), Value: []byte("old")}},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	var limit int64 = 1 << 20
	c.o.UsesKV = true
	c.o.Attempt = func(ctx context.Context, w *inbox.Work) inbox.Outcome {
		value, _, err := w.KV.Get(ctx, "seen")
		keys, err2 := w.KV.List(ctx, "key/", "", 10)
		if err != nil || err2 != nil {
			t.Error(err, err2)
		}
		value = fmt.Appendf(value, "%d after %d keys;", w.Event.Seq, len(keys))
		changes := []inbox.KVChange{{Key: "seen", Value: value}, {Key: fmt.Sprint("key/", w.Event.Seq), Value: []byte("x")}}
		if w.Event.Seq == 3 {
			changes = append(changes, inbox.KVChange{Key: "key/1", Deleted: true})
		}
		return inbox.Outcome{Result: inbox.Skip, Effects: &inbox.Effects{Lane: w.Delivery.Lane, KVLimit: limit, KV: changes}}
	}
	if _, err := rebuild.Run(t.Context(), c.o, nil); err != nil {
		t.Fatal(err)
	}
	kv := c.KV("p", inbox.Live)
	value, version, err := kv.Get(t.Context(), "seen")
	keys, err2 := kv.List(t.Context(), "", "", 10)
	var names []string
	for _, k := range keys {
		names = append(names, k.Key)
	}
	if want := "1 after 0 keys;2 after 1 keys;3 after 2 keys;"; string(value) != want || version == 0 || err != nil || err2 != nil || !slices.Equal(names, []string{"key/2", "key/3", "seen"}) {
		t.Errorf("%q, keys %q, %v %v", value, names, err, err2)
	}
	if n, bytes, err := kv.Usage(t.Context()); n != 3 || bytes == 0 || err != nil {
		t.Errorf("usage %d %d %v", n, bytes, err)
	}
	limit = 10
	if _, err := rebuild.Run(t.Context(), c.o, nil); inbox.KindOf(err) != inbox.Conflict || !strings.Contains(err.Error(), "quota") {
		t.Errorf("above its quota: %v", err)
	}
}

func TestAFoldThatIsInterruptedKeepsTheOldState(t *testing.T) {
	t.Parallel()
	c := begin(t, 1, 1)
	c.settle(1, `"old"`)
	c.settle(2, `"old"`)
	ctx, cancel := context.WithCancel(t.Context())
	c.o.Attempt = func(_ context.Context, w *inbox.Work) inbox.Outcome {
		cancel()
		return saw(w)
	}
	if _, err := rebuild.Run(ctx, c.o, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	c.want(map[string]string{"1": `"old"`})
}

func TestTheFoldSeesTheTimesAndNumbersOfTheAttempts(t *testing.T) {
	t.Parallel()
	c := begin(t, 1)
	first := storetest.Attempt(1, 1, inbox.Retry, inbox.Again)
	second := storetest.Attempt(1, 2, inbox.OK, inbox.Done)
	second.StartedAt = time.Date(2026, 3, 4, 5, 6, 7, 8e6, time.UTC)
	lane := c.lane(1)
	for _, st := range []*inbox.Settlement{
		{Plugin: "p", Attempt: first, Lane: inbox.LaneChange{Put: &inbox.Lane{ID: lane, Next: 1, State: inbox.LaneRetry, DueAt: time.Now(), Attempt: 1}}},
		{Plugin: "p", Attempt: second, Lane: inbox.LaneChange{Gone: &lane}},
	} {
		if err := storetest.Settle(c.Store, st); err != nil {
			t.Fatal(err)
		}
	}
	var got *inbox.Work
	c.o.Attempt = func(_ context.Context, w *inbox.Work) inbox.Outcome {
		got = w
		return saw(w)
	}
	if _, err := rebuild.Run(t.Context(), c.o, nil); err != nil {
		t.Fatal(err)
	}
	if got.Delivery.Attempt != 2 || got.Delivery.Run != 0 || !got.Now.Equal(second.StartedAt) {
		t.Errorf("attempt %d of run %d at %s", got.Delivery.Attempt, got.Delivery.Run, got.Now)
	}
}

// A release that was granted fewer events than the one before does not see the others, nor needs their payloads.
func TestEventsThatTheReleaseFiltersOutAreNotFolded(t *testing.T) {
	t.Parallel()
	c := begin(t, 1, 2, 1)
	for seq := int64(1); seq <= 3; seq++ {
		c.settle(seq, `"wrong"`)
	}
	c.o.Manifest.Where = []inbox.Condition{{Pointer: "/data/id", Values: []string{"1"}}}
	if done, err := rebuild.Run(t.Context(), c.o, nil); err != nil || done.Events != 2 || done.Deleted != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	c.want(map[string]string{"1": `"1,3"`})
	c.o.Manifest.Where, c.o.Manifest.Events = nil, []string{"address"}
	if done, err := rebuild.Run(t.Context(), c.o, nil); err != nil || done.Events != 0 || done.Deleted != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	c.want(map[string]string{})
}

// An event that was replayed after its verification was linked to a customer belongs to the documents of both.
func TestAnEventIsFoldedInEachLaneInWhichItChangedState(t *testing.T) {
	t.Parallel()
	c := begin(t)
	for n, id := range []int{1, 2, 2, 3} {
		inboxtest.Accept(t, c.Store, fmt.Sprintf(`{"event":"workflow","event_type":"verification_started","data":{"id":%d,"n":%d}}`, id, n))
	}
	c.settle(1, `"wrong"`)
	c.settle(2, `"wrong"`)
	customer := inbox.LaneID{Mode: inbox.Live, Key: inbox.ReferenceKey("c")}
	c.o.Lane = func(e *inbox.Event, _ []byte) inbox.LaneID {
		return inbox.LaneRule{By: inbox.KeyByReference}.Lane(e, nil)
	}
	job := inbox.Replay{Plugins: []string{"p"}, Only: inbox.OnlyAll, Effects: inbox.DropEffects}
	if err := c.CreateReplay(t.Context(), inbox.Actor{Name: "operator"}, &job); err != nil {
		t.Fatal(err)
	}
	for _, seq := range []int64{2, 4} { // the first run of 4 was discarded
		a := storetest.Attempt(seq, 1, inbox.OK, inbox.Done)
		a.Plugin, a.Run = "p", job.ID
		st := &inbox.Settlement{Plugin: "p", Attempt: a, Effects: &inbox.Effects{
			Lane: customer, Subject: c.lane(seq), State: &inbox.StateChange{State: inbox.State{Document: []byte(`"wrong"`)}},
		}}
		if err := storetest.Settle(c.Store, st); err != nil {
			t.Fatal(err)
		}
	}
	c.settle(3, `"wrong"`)
	if done, err := rebuild.Run(t.Context(), c.o, nil); err != nil || done.Events != 4 || done.Lanes != 3 {
		t.Errorf("%+v, %v", done, err)
	}
	c.want(map[string]string{"1": `"1"`, "2": `"2,3"`, "c": `"2,4"`})
}

func TestFetchesGetTheAnswersOfTheAttemptThatSettledTheEvent(t *testing.T) {
	t.Parallel()
	c := begin(t, 1)
	lane := c.lane(1)
	fetched := []inbox.Fetched{{Method: "GET", URL: "https://crm.example.com/1", Origin: "https://crm.example.com", Status: 200, Document: []byte(`{"status":200}`)}}
	err := storetest.Settle(c.Store, &inbox.Settlement{Plugin: "p", Attempt: storetest.Attempt(1, 1, inbox.OK, inbox.Done), Effects: &inbox.Effects{
		Lane: lane, Subject: lane, Journal: fetched,
	}})
	if err != nil {
		t.Fatal(err)
	}
	c.o.Fetches = true
	var got []inbox.Fetched
	c.o.Attempt = func(_ context.Context, w *inbox.Work) inbox.Outcome {
		got = w.Journal.Fetches
		return saw(w)
	}
	if _, err := rebuild.Run(t.Context(), c.o, nil); err != nil || len(got) != 1 || string(got[0].Document) != `{"status":200}` {
		t.Errorf("%+v, %v", got, err)
	}
}
