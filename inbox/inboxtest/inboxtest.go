// Package inboxtest helps tests: it provides stores that are checked when their test ends, events to fill them with, and broken or
// hostile WebAssembly modules. The program does not import it.
package inboxtest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/qoreid"
	"inbox/inbox/store"
)

// Store opens the store in o.Dir, or creates one in a new [Dir] when that is empty, and runs its writer. When the test ends, the
// writer is stopped and the store is checked: damage, or a violated invariant, fails the test.
func Store(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	if o.Dir == "" {
		o.Dir = Dir(t)
	}
	o.Create, o.Server = true, true
	if o.MinFree == 0 {
		o.MinFree = 1
	}
	s, err := store.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	stop := Run(t, s)
	t.Cleanup(func() {
		stop()
		Check(t, s)
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return s
}

// Run runs a store's writer. stop stops it and waits for its end.
func Run(t testing.TB, s *store.Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the store's writer: %v", err)
		}
	}
}

// Check fails the test if the store is damaged or violates one of its invariants.
func Check(t testing.TB, s *store.Store) {
	t.Helper()
	problems, err := s.Check(context.Background(), nil)
	if err != nil {
		t.Errorf("check the store: %v", err)
	}
	for _, p := range problems {
		t.Errorf("the store: %s", p)
	}
}

// Arrival returns an arrival at the source qoreid with this body.
func Arrival(body string) *inbox.Arrival {
	return &inbox.Arrival{
		Source: "qoreid", Mode: inbox.Live, Origin: inbox.FromWebhook, SecretName: "test", ReceivedAt: time.Now(),
		View:    qoreid.Read([]byte(body), qoreid.Rules{Source: "qoreid"}),
		Payload: inbox.Payload{Headers: []inbox.Header{{Name: "content-type", Value: "application/json"}}, Body: []byte(body)},
	}
}

// Body returns a small body about the verification id. Bodies with different n are different.
func Body(id, n int) string {
	return fmt.Sprintf(`{"event":"workflow","event_type":"step_verification_completed","data":{"id":%d,"customerReference":"ref-%d","step":%d}}`, id, id%7, n)
}

// accepter stores events.
type accepter interface {
	Accept(ctx context.Context, a *inbox.Arrival) (inbox.Receipt, error)
}

// Accept stores a body and returns its receipt.
func Accept(t testing.TB, s accepter, body string) inbox.Receipt {
	t.Helper()
	r, err := s.Accept(context.Background(), Arrival(body))
	if err != nil {
		t.Fatalf("accept: %v", err)
	}
	return r
}

// Eventually waits until ok returns true. After a minute it fails the test with the name of the condition. The minute is long
// because machines may be busy.
func Eventually(t testing.TB, condition string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", condition)
		}
		tick := time.NewTimer(2 * time.Millisecond)
		<-tick.C
	}
}

// Fill stores n events about n verifications, up to 64 at a time.
func Fill(t testing.TB, s accepter, n int) {
	t.Helper()
	next := make(chan int)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := range next {
				if _, err := s.Accept(context.Background(), Arrival(Body(i, 0))); err != nil {
					t.Errorf("accept: %v", err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// Settled returns the settlement of an event's first run whose first attempt was ok.
func Settled(plugin string, seq int64) *inbox.Settlement {
	return &inbox.Settlement{
		Plugin: plugin, Position: inbox.PositionChange{Cursor: seq},
		Attempt: &inbox.Attempt{
			Plugin: plugin, Seq: seq, Number: 1, Result: inbox.OK, Fate: inbox.Done, Counted: true,
			StartedAt: time.Now(), Duration: time.Millisecond,
		},
	}
}

// CheckAcked fails the test unless every acknowledged body is stored under the seq and id of its receipt, and no body is stored
// twice.
func CheckAcked(t testing.TB, s *store.Store, acked map[string]inbox.Receipt) {
	t.Helper()
	ctx := context.Background()
	events, err := s.EventsAfter(ctx, 0, 1<<30)
	if err != nil {
		t.Errorf("read the log: %v", err)
	}
	stored := map[string]inbox.Event{}
	for _, e := range events {
		p, err := s.Payload(ctx, e.Seq)
		if err != nil {
			t.Errorf("read event %d: %v", e.Seq, err)
		}
		if old, ok := stored[string(p.Body)]; ok {
			t.Errorf("events %d and %d have the same body", old.Seq, e.Seq)
		}
		stored[string(p.Body)] = e
	}
	for body, r := range acked {
		if e, ok := stored[body]; !ok || e.Seq != r.Seq || e.ID != r.ID {
			t.Errorf("acknowledged as %d (%s), but stored as %d (%s)", r.Seq, r.ID, e.Seq, e.ID)
		}
	}
}
