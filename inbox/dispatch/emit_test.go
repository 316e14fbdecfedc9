package dispatch_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/dispatch"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// chain is a store and a dispatcher with plugins that emit.
type chain struct {
	t        *testing.T
	store    *store.Store
	dispatch *dispatch.Dispatcher

	mu   sync.Mutex
	seen map[string][]int64 // seqs by plugin, in the order of the attempts
}

// newChain starts a dispatcher on a new store, with between, if not nil, between the two.
func newChain(t *testing.T, between func(*store.Store) dispatch.Store) *chain {
	t.Helper()
	c := &chain{t: t, store: inboxtest.Store(t, store.Options{}), seen: map[string][]int64{}}
	queue := dispatch.Store(c.store)
	if between != nil {
		queue = between(c.store)
	}
	c.dispatch = dispatch.New(dispatch.Options{Store: queue, Grace: 50 * time.Millisecond})
	run, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := c.dispatch.Run(run); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return c
}

// add makes a plugin live. emit returns what an attempt emits.
func (c *chain) add(name string, m inbox.Manifest, emit func(*inbox.Event) []inbox.Emission) {
	c.t.Helper()
	m.Plugin, m.StartFrom.Start = name, true
	m = m.WithDefaults(4)
	m.Policy.Base, m.Policy.Max = time.Millisecond, time.Millisecond
	if err := c.store.Register(ctx, name, m.StartFrom); err != nil {
		c.t.Fatal(err)
	}
	c.dispatch.SetLive(name, &dispatch.Live{Release: "r1", Manifest: m, Run: func(_ context.Context, w *inbox.Work) inbox.Outcome {
		c.mu.Lock()
		c.seen[name] = append(c.seen[name], w.Event.Seq)
		c.mu.Unlock()
		o := inbox.Outcome{Result: inbox.OK}
		if list := emit(w.Event); len(list) > 0 {
			o.Effects = &inbox.Effects{Emit: list}
		}
		if w.Event.Depth >= inbox.MaxDepth && o.Effects != nil { // as the host does
			return inbox.Outcome{Result: inbox.BadResult}
		}
		return o
	}})
}

// settled waits until all plugins have settled everything.
func (c *chain) settled() {
	c.t.Helper()
	inboxtest.Eventually(c.t, "everything is settled", func() bool {
		all, err := c.store.Plugins(ctx)
		for i := range all {
			behind, err := c.store.EventsAfter(ctx, all[i].Cursor, 1)
			if err != nil || len(behind) > 0 || all[i].Retrying+all[i].Ready > 0 {
				return false
			}
		}
		return err == nil
	})
}

// events returns the emitted events.
func (c *chain) events() []inbox.Event {
	c.t.Helper()
	list, err := c.store.Find(ctx, inbox.Filter{Sources: []string{"plugin:*"}})
	if err != nil {
		c.t.Fatal(err)
	}
	return list
}

func none(*inbox.Event) []inbox.Emission { return nil }

// echo emits two events for each event.
func echo(e *inbox.Event) []inbox.Emission {
	return []inbox.Emission{
		{Event: "a.first", Body: fmt.Appendf(nil, `{"of":%d}`, e.Seq)}, {Event: "a.second", Body: fmt.Appendf(nil, `{"of":%d}`, e.Seq)},
	}
}

func TestAnotherPluginGetsEmittedEventsInOrder(t *testing.T) {
	t.Parallel()
	c := newChain(t, nil)
	c.add("a", inbox.Manifest{}, echo)
	c.add("b", inbox.Manifest{Events: []string{"a.*"}}, none)
	c.add("c", inbox.Manifest{}, none)
	const n, keys = 30, 3
	for i := range n {
		inboxtest.Accept(t, c.store, inboxtest.Body(i%keys, i))
	}
	c.settled()
	list := c.events()
	if len(list) != 2*n {
		t.Fatalf("%d events were emitted", len(list))
	}
	cause, want := map[string]int64{}, map[string][]int64{} // by key
	for i := range list {
		e := &list[i]
		tr, err := c.store.Trace(ctx, e.Seq)
		if err != nil || tr.Cause == nil {
			t.Fatalf("%+v, %v", tr, err)
		}
		if tr.Cause.Seq < cause[e.View.Key] {
			t.Errorf("event %d of the cause %d is behind one of the cause %d", e.Seq, tr.Cause.Seq, cause[e.View.Key])
		}
		cause[e.View.Key] = tr.Cause.Seq
		want[e.View.Key] = append(want[e.View.Key], e.Seq)
	}
	got := map[string][]int64{}
	for _, seq := range c.seen["b"] {
		e, err := c.store.Event(ctx, seq)
		if err != nil {
			t.Fatal(err)
		}
		got[e.View.Key] = append(got[e.View.Key], seq)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) != keys {
		t.Errorf("b got: %s", diff)
	}
	if len(c.seen["a"]) != n || len(c.seen["c"]) != n {
		t.Errorf("a got %d events, c %d, and neither asked for emitted ones", len(c.seen["a"]), len(c.seen["c"]))
	}
}

func TestAnEventReachesItsEmitterOnlyIfItsSourceIsNamed(t *testing.T) {
	t.Parallel()
	c := newChain(t, nil)
	c.add("a", inbox.Manifest{Events: []string{"workflow", "a.*"}, Sources: []string{"qoreid", "plugin:*"}}, func(e *inbox.Event) []inbox.Emission {
		return echo(e)[:1]
	})
	c.add("b", inbox.Manifest{Events: []string{"workflow", "a.*", "b.*"}, Sources: []string{"qoreid", "plugin:b"}}, func(e *inbox.Event) []inbox.Emission {
		if e.Origin == inbox.FromEmission {
			return nil
		}
		return []inbox.Emission{{Event: "b.c", Body: []byte("1")}}
	})
	inboxtest.Accept(t, c.store, inboxtest.Body(1, 1))
	c.settled()
	if got := len(c.seen["a"]); got != 1 {
		t.Errorf("a, which names a pattern, got %d events", got)
	}
	if got := len(c.seen["b"]); got != 2 {
		t.Errorf("b, which names itself, got %d events", got)
	}
}

func TestAChainEndsAtItsLastDepth(t *testing.T) {
	t.Parallel()
	c := newChain(t, nil)
	m := inbox.Manifest{Events: []string{"workflow", "a.*"}, Sources: []string{"qoreid", "plugin:a"}, Policy: inbox.Policy{MaxAttempts: 1}}
	c.add("a", m, func(e *inbox.Event) []inbox.Emission { return echo(e)[:1] })
	inboxtest.Accept(t, c.store, inboxtest.Body(1, 1))
	c.settled()
	list := c.events()
	if len(list) != inbox.MaxDepth || list[len(list)-1].Depth != inbox.MaxDepth {
		t.Fatalf("emitted %+v", list)
	}
	letters, err := c.store.DeadLetters(ctx, inbox.DeadLetterFilter{})
	if err != nil || len(letters) != 1 || letters[0].Seq != list[len(list)-1].Seq || letters[0].Result != inbox.BadResult {
		t.Errorf("dead letters %+v, %v", letters, err)
	}
}

func TestAReplayEmitsAgainAndTheOthersGetWhatItEmits(t *testing.T) {
	t.Parallel()
	c := newChain(t, nil)
	c.add("a", inbox.Manifest{}, echo)
	c.add("b", inbox.Manifest{Events: []string{"a.*"}}, none)
	inboxtest.Accept(t, c.store, inboxtest.Body(1, 1))
	c.settled()
	j := &inbox.Replay{Only: inbox.OnlyAll, Plugins: []string{"a"}, Filter: inbox.Filter{Seqs: []int64{1}}}
	if err := c.store.CreateReplay(ctx, inbox.Actor{Name: "test"}, j); err != nil {
		t.Fatal(err)
	}
	c.dispatch.Wake("a")
	inboxtest.Eventually(t, "the replay has ended", func() bool { return len(c.events()) == 4 })
	c.settled()
	tr, err := c.store.Trace(ctx, 5)
	if err != nil || tr.Cause == nil || tr.Cause.Run != j.ID || tr.Cause.Seq != 1 {
		t.Errorf("an event of the replay: %+v, %v", tr, err)
	}
	if diff := cmp.Diff([]int64{2, 3, 4, 5}, c.seen["b"]); diff != "" {
		t.Errorf("b got %s", diff)
	}
}

// lossy is a store that loses two of the settlements that emit.
type lossy struct {
	*store.Store
	settlements atomic.Int64
}

func (l *lossy) Settle(ctx context.Context, st *inbox.Settlement, done func(error)) error {
	if st.Effects != nil {
		if n := l.settlements.Add(1); n == 3 || n == 9 {
			return inbox.Errorf(inbox.Unavailable, "", "the disk is full")
		}
	}
	return l.Store.Settle(ctx, st, done)
}

func TestAnAttemptWhoseSettlementIsLostIsMadeAgainAndEmitsOnce(t *testing.T) {
	t.Parallel()
	c := newChain(t, func(s *store.Store) dispatch.Store { return &lossy{Store: s} })
	c.add("a", inbox.Manifest{}, echo)
	const n = 20
	for i := range n {
		inboxtest.Accept(t, c.store, inboxtest.Body(i%4, i))
	}
	c.settled()
	emitted := map[string]int{}
	for _, e := range c.events() {
		p, err := c.store.Payload(ctx, e.Seq)
		if err != nil {
			t.Fatal(err)
		}
		emitted[e.View.Event+string(p.Body)]++
	}
	for body, times := range emitted {
		if times != 1 {
			t.Errorf("%s was emitted %d times", body, times)
		}
	}
	if made := len(c.seen["a"]); len(emitted) != 2*n || made <= n {
		t.Errorf("%d events were emitted in %d attempts", len(emitted), made)
	}
}
