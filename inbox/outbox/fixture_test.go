package outbox_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/outbox"
	"inbox/inbox/store"
	"inbox/inbox/storetest"
)

const (
	crm  = "https://crm.example.com"
	mail = "https://mail.example.com"
)

// quick retries soon, and never holds an origin.
func quick() inbox.Policy {
	return inbox.Policy{MaxAttempts: 4, Base: time.Millisecond, Max: time.Minute, OnFailure: inbox.Park, HoldAfter: 1000, HoldKeys: 1000}
}

// sender is a sender in the form of a function.
type sender func(ctx context.Context, e *inbox.Effect, r *inbox.EffectRequest) inbox.Sent

// Send calls it.
func (s sender) Send(ctx context.Context, e *inbox.Effect, r *inbox.EffectRequest) inbox.Sent {
	return s(ctx, e, r)
}

func answered(status int) inbox.Sent {
	return inbox.Sent{Response: &inbox.Response{Status: status}, Why: fmt.Sprint("status ", status)}
}

// until waits for a channel or the end of a try.
func until(ctx context.Context, ready <-chan struct{}, sent inbox.Sent) inbox.Sent {
	select {
	case <-ready:
		return sent
	case <-ctx.Done():
		return inbox.Sent{Interrupted: true}
	}
}

// arrival is a request as the receiver gets it.
type arrival struct {
	path, key, body string
}

// receiver notes what arrives. It is safe for concurrent use.
type receiver struct {
	mu   sync.Mutex
	list []arrival
}

func (r *receiver) note(path, key string, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, arrival{path, key, string(body)})
}

func (r *receiver) all() []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]arrival(nil), r.list...)
}

// line is a store with a plugin p, and an outbox that runs.
type line struct {
	*store.Store
	*storetest.World
	out  *outbox.Outbox
	stop func() // stops the outbox and waits for its end
}

// begin returns a store in dir, with an outbox that is not started.
func begin(t *testing.T, dir string) *line {
	t.Helper()
	return lineOf(t, inboxtest.Store(t, store.Options{Dir: dir}))
}

// lineOf returns a line over a store without events.
func lineOf(t *testing.T, s *store.Store) *line {
	t.Helper()
	return &line{Store: s, World: storetest.NewWorld(t, s)}
}

// start runs an outbox until the test ends.
func (l *line) start(t *testing.T, o outbox.Options) {
	t.Helper()
	if o.Store == nil {
		o.Store = l.Store
	}
	if o.Policy == nil {
		o.Policy = func(string) (inbox.Policy, bool) { return quick(), true }
	}
	o.Term = l.Term()
	l.out = outbox.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := l.out.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	l.stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(l.stop)
}

// ask settles an event of a verification with requests to an origin.
func (l *line) ask(id int, origin string, paths ...string) {
	l.Arrive(id)
	for _, path := range paths {
		l.Asks = append(l.Asks, storetest.Ask(origin, path))
	}
	l.World.Run(id, inbox.Done, false)
}

// effects returns the states of all effects, the oldest first.
func (l *line) effects(t *testing.T) (states []inbox.EffectState) {
	t.Helper()
	err := l.EachEffect(t.Context(), inbox.EffectFilter{}, func(d *inbox.EffectDetail) error {
		states = append([]inbox.EffectState{d.State}, states...)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return states
}

// eventually waits until the effects have these states.
func (l *line) eventually(t *testing.T, want ...inbox.EffectState) {
	t.Helper()
	inboxtest.Eventually(t, fmt.Sprint("the effects are ", want), func() bool { return fmt.Sprint(l.effects(t)) == fmt.Sprint(want) })
}
