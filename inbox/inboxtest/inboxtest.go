// Package inboxtest is for tests: stores that are checked when their test ends, and arrivals to fill them with. The
// program itself does not import it.
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

// Store returns a fresh store in o.Dir, or in a [Dir] when that is empty, with its writer running. When the test ends, the
// writer is stopped and the store is checked: damage, or a broken law, fails the test.
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

// Run runs a store's writer and returns what stops it and waits.
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

// Check fails the test if the store is damaged or one of its laws is broken.
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

// Arrival returns an arrival of the source qoreid with this body.
func Arrival(body string) *inbox.Arrival {
	return &inbox.Arrival{
		Source: "qoreid", Mode: inbox.Live, Origin: inbox.FromWebhook, SecretName: "test", ReceivedAt: time.Now(),
		View:    qoreid.Read([]byte(body), qoreid.Rules{Source: "qoreid"}),
		Payload: inbox.Payload{Headers: []inbox.Header{{Name: "content-type", Value: "application/json"}}, Body: []byte(body)},
	}
}

// Body returns a small body about a verification: n tells it from others about the same one.
func Body(id, n int) string {
	return fmt.Sprintf(`{"event":"workflow","event_type":"step_verification_completed","data":{"id":%d,"customerReference":"ref-%d","step":%d}}`, id, id%7, n)
}

// accepter is a store that takes events.
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

// Eventually waits until ok returns true, at most a minute, since machines are busy.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("after a minute still not: %s", what)
		}
		tick := time.NewTimer(2 * time.Millisecond)
		<-tick.C
	}
}

// Fill stores n events about n verifications, many at a time.
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

// Settled returns the settlement of an event's first run that went well at once.
func Settled(plugin string, seq int64) *inbox.Settlement {
	return &inbox.Settlement{
		Plugin: plugin, Cursor: seq,
		Attempt: &inbox.Attempt{
			Plugin: plugin, Seq: seq, Number: 1, Result: inbox.OK, Fate: inbox.Done, Counted: true,
			StartedAt: time.Now(), Duration: time.Millisecond,
		},
	}
}

// CheckAcked fails the test unless every body that was acknowledged is stored under the seq and id it was acknowledged
// with, and no body is stored twice.
func CheckAcked(t testing.TB, s *store.Store, acked map[string]inbox.Receipt) {
	t.Helper()
	ctx := context.Background()
	events, err := s.EventsAfter(ctx, 0, 1<<30)
	if err != nil {
		t.Errorf("read the log: %v", err)
	}
	found := map[string]inbox.Event{}
	for _, e := range events {
		p, err := s.Payload(ctx, e.Seq)
		if err != nil {
			t.Errorf("read event %d: %v", e.Seq, err)
		}
		if old, ok := found[string(p.Body)]; ok {
			t.Errorf("event %d is event %d again", e.Seq, old.Seq)
		}
		found[string(p.Body)] = e
	}
	for body, r := range acked {
		if e, ok := found[body]; !ok || e.Seq != r.Seq || e.ID != r.ID {
			t.Errorf("acknowledged as %d (%s), but stored as %d (%s)", r.Seq, r.ID, e.Seq, e.ID)
		}
	}
}
