package store_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
	"inbox/inbox/storetest"
)

// waitLog is a log that closes seen at the first line with a text.
type waitLog struct {
	text string
	once sync.Once
	seen chan struct{}
}

func (l *waitLog) Write(line []byte) (int, error) {
	if strings.Contains(string(line), l.text) {
		l.once.Do(func() { close(l.seen) })
	}
	return len(line), nil
}

// later opens the store of a directory in a later server, whose clock is d ahead of the one before, and waits until what is older
// than the retention is deleted.
func later(t *testing.T, dir string, d time.Duration, r inbox.Retention) *store.Store {
	t.Helper()
	log := &waitLog{text: "older than its retention", seen: make(chan struct{})}
	s := inboxtest.Store(t, store.Options{
		Dir: dir, Retention: r, Now: func() time.Time { return time.Now().Add(d) }, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	<-log.seen
	return s
}

// filled fills a new store by fn, closes it, and returns its directory.
func filled(t *testing.T, fn func(t *testing.T, s *store.Store)) string {
	t.Helper()
	dir := inboxtest.Dir(t)
	t.Run("before", func(t *testing.T) { fn(t, inboxtest.Store(t, store.Options{Dir: dir, Relaxed: true})) })
	return dir
}

// changes returns the numbers of the changes of a document, the newest first.
func changes(t *testing.T, s *store.Store, lane inbox.LaneID) (list []int64) {
	t.Helper()
	err := s.EachStateChange(ctx, inbox.StateID{Plugin: "p", Lane: lane}, inbox.StateHistory{}, func(e *inbox.StateEntry) error {
		list = append(list, e.Change)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

const retained = 90 * 24 * time.Hour

func TestOldChangesOfStateAreDeletedExceptTheNewest(t *testing.T) {
	t.Parallel()
	const n = 1100 // more than two steps
	other := inbox.LaneID{Mode: inbox.Live, Key: "other"}
	dir := filled(t, func(t *testing.T, s *store.Store) {
		storetest.Ready(t, s, n)
		for seq := int64(1); seq < n; seq++ {
			keep(t, s, storetest.OneLane(), seq, 0, fmt.Sprint(seq))
		}
		keep(t, s, other, n, 0, `"alone"`)
	})
	t.Run("young changes stay", func(t *testing.T) {
		s := later(t, dir, retained-time.Hour, inbox.Retention{State: retained})
		if got := changes(t, s, storetest.OneLane()); len(got) != n-1 {
			t.Errorf("%d changes are kept", len(got))
		}
	})
	t.Run("without a retention all stay", func(t *testing.T) {
		s := later(t, dir, 100*retained, inbox.Retention{})
		if got := changes(t, s, storetest.OneLane()); len(got) != n-1 {
			t.Errorf("%d changes are kept", len(got))
		}
	})
	s := later(t, dir, retained+time.Hour, inbox.Retention{State: retained})
	for lane, want := range map[inbox.LaneID]int64{storetest.OneLane(): n - 1, other: 1} {
		if got := changes(t, s, lane); !slices.Equal(got, []int64{want}) {
			t.Errorf("%s has the changes %v, want %d", lane.Key, got, want)
		}
	}
	doc, err := s.State(ctx, "p", storetest.OneLane())
	if err != nil || string(doc.Document) != fmt.Sprint(n-1) {
		t.Errorf("the document is %s, %v", doc.Document, err)
	}
	_, err = s.StateAt(ctx, inbox.StateID{Plugin: "p", Lane: storetest.OneLane()}, inbox.StateMoment{Seq: 5})
	if inbox.KindOf(err) != inbox.NotFound || !strings.Contains(err.Error(), "retention.state") {
		t.Errorf("the document of an early event: %v", err)
	}
}

func TestOldFetchesAreDeletedWithTheirAnswers(t *testing.T) {
	t.Parallel()
	const n = 1100 // more than two steps
	now := time.Now()
	dir := filled(t, func(t *testing.T, s *store.Store) {
		storetest.Ready(t, s, 2)
		for i, at := range []time.Time{now.Add(-retained / 2), now} {
			st := &inbox.Settlement{Attempt: storetest.Attempt(int64(i+1), 1, inbox.OK, inbox.Done), Effects: &inbox.Effects{Lane: storetest.OneLane()}}
			for range n {
				st.Effects.Journal = append(st.Effects.Journal, storetest.Fetch("/1", at))
			}
			mustSettle(t, s, st)
		}
	})
	for _, c := range []struct {
		after time.Duration
		want  [2]int
	}{{0, [2]int{n, n}}, {retained - time.Hour, [2]int{0, n}}, {retained + time.Hour, [2]int{}}} {
		t.Run(c.after.String(), func(t *testing.T) {
			s := later(t, dir, c.after, inbox.Retention{Effects: retained})
			for i, want := range c.want {
				if got, err := s.Journal(ctx, "p", int64(i+1), 0, 1); err != nil || len(got) != want {
					t.Errorf("after %s, %d fetches of event %d are kept, %v; want %d", c.after, len(got), i+1, err, want)
				}
			}
		})
	}
}

func TestOldRequestsAreDeletedUnlessTheyWaitOrAreDead(t *testing.T) {
	t.Parallel()
	dir := filled(t, func(t *testing.T, s *store.Store) {
		w := storetest.NewWorld(t, s)
		storetest.AskAndSend(t, s, w)
		if _, err := s.ResolveEffects(ctx, operator, inbox.Discarded, []int64{6}); err != nil {
			t.Fatal(err)
		}
	})
	s := later(t, dir, retained+time.Hour, inbox.Retention{Effects: retained})
	var got []int64
	if err := s.EachEffect(ctx, inbox.EffectFilter{}, func(d *inbox.EffectDetail) error { got = append(got, d.ID); return nil }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, []int64{5, 4, 3, 2}) { // 1 was sent, 6 was discarded
		t.Errorf("the requests %v are kept", got)
	}
}
