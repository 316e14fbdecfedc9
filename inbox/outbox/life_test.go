package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/outbox"
	"inbox/inbox/store"
)

func TestAnInterruptedTryIsNotRecordedAndIsMadeAgainInTheNextLife(t *testing.T) {
	t.Parallel()
	dir := inboxtest.Dir(t)
	var first arrival
	t.Run("a first life", func(t *testing.T) {
		l := begin(t, dir)
		began := make(chan arrival, 1)
		l.start(t, outbox.Options{Sender: sender(func(ctx context.Context, e *inbox.Effect, r *inbox.EffectRequest) inbox.Sent {
			began <- arrival{r.URL, e.Key, string(r.Body)}
			return until(ctx, nil, inbox.Sent{})
		})})
		l.ask(1, crm, "/a", "/b")
		first = <-began
		l.stop()
		if tries, err := l.EffectTries(t.Context(), 1); err != nil || len(tries) > 0 {
			t.Errorf("recorded: %+v, %v", tries, err)
		}
	})
	s := inboxtest.Store(t, store.Options{Dir: dir})
	l := &line{Store: s}
	var got receiver
	l.start(t, outbox.Options{Sender: sender(func(_ context.Context, e *inbox.Effect, r *inbox.EffectRequest) inbox.Sent {
		got.note(r.URL, e.Key, r.Body)
		return answered(200)
	})})
	l.eventually(t, inbox.EffectDone, inbox.EffectDone)
	if all := got.all(); len(all) != 2 || all[0] != first {
		t.Errorf("arrived in the second life: %+v, in the first: %+v", all, first)
	}
}

func TestATryThatCannotBeRecordedIsMadeAgain(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	s := inboxtest.Store(t, store.Options{Fault: func(point string) error {
		if point == "commit" && broken.CompareAndSwap(true, false) {
			return errors.New("the disk is full")
		}
		return nil
	}})
	l := lineOf(t, s)
	var got receiver
	l.start(t, outbox.Options{Sender: sender(func(_ context.Context, e *inbox.Effect, r *inbox.EffectRequest) inbox.Sent {
		broken.Store(len(got.all()) == 0)
		got.note(r.URL, e.Key, r.Body)
		return answered(200)
	})})
	l.ask(1, crm, "/a")
	l.eventually(t, inbox.EffectDone)
	if all := got.all(); len(all) != 2 || all[0] != all[1] {
		t.Errorf("arrived: %+v", all)
	}
}

func TestAServerThatWasReplacedSendsNoMore(t *testing.T) {
	t.Parallel()
	dir := inboxtest.Dir(t)
	old := begin(t, dir)
	l := lineOf(t, inboxtest.Store(t, store.Options{Dir: dir}))
	l.ask(0, crm, "/") // due before the old server looks for the first time
	var sent atomic.Int64
	took := make(chan struct{})
	old.start(t, outbox.Options{
		Log: slog.New(onMessage{"a newer server has taken over the outgoing requests: this one sends no more", sync.OnceFunc(func() { close(took) })}),
		Sender: sender(func(context.Context, *inbox.Effect, *inbox.EffectRequest) inbox.Sent {
			sent.Add(1)
			return answered(200)
		}),
	})
	<-took
	for id := range 20 {
		l.ask(id+1, crm, "/")
		old.out.Wake()
	}
	if states := l.effects(t); slices.Contains(states, inbox.EffectDone) {
		t.Errorf("the old server settled tries: %v", states)
	}
	l.start(t, outbox.Options{Sender: sender(func(context.Context, *inbox.Effect, *inbox.EffectRequest) inbox.Sent { return answered(200) })})
	l.eventually(t, slices.Repeat([]inbox.EffectState{inbox.EffectDone}, 21)...)
	old.stop()
	if n := sent.Load(); n > 0 {
		t.Errorf("the old server sent %d requests after it was replaced", n)
	}
}

// onMessage is a log handler that calls a function at one message.
type onMessage struct {
	text string
	call func()
}

// Enabled is true.
func (onMessage) Enabled(context.Context, slog.Level) bool { return true }

// Handle compares the message.
func (m onMessage) Handle(_ context.Context, r slog.Record) error {
	if r.Message == m.text {
		m.call()
	}
	return nil
}

// WithAttrs returns the same handler.
func (m onMessage) WithAttrs([]slog.Attr) slog.Handler { return m }

// WithGroup returns the same handler.
func (m onMessage) WithGroup(string) slog.Handler { return m }

func TestARequestWhoseBytesAreLostIsDead(t *testing.T) {
	t.Parallel()
	l := begin(t, "")
	lost := lossy{l.Store}
	l.start(t, outbox.Options{Store: lost, Sender: sender(func(context.Context, *inbox.Effect, *inbox.EffectRequest) inbox.Sent {
		t.Error("it was sent")
		return answered(200)
	})})
	l.ask(1, crm, "/a")
	l.eventually(t, inbox.EffectDead)
}

// lossy is a store whose requests are damaged.
type lossy struct{ outbox.Store }

// EffectRequests leaves all out.
func (lossy) EffectRequests(context.Context, []int64) (map[int64]*inbox.EffectRequest, error) {
	return nil, nil
}

// EffectRequest fails.
func (lossy) EffectRequest(context.Context, int64) (*inbox.EffectRequest, error) {
	return nil, fmt.Errorf("read: %w", inbox.ErrDamaged)
}
