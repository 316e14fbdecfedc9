package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

func TestAFullQueueRejectsEventsAndSettlementsWait(t *testing.T) {
	t.Parallel()
	s := ready(t, 1)
	release := store.Hold(s)
	var wg sync.WaitGroup
	for i := range store.QueueLength - store.Waiting(s) {
		wg.Go(func() { _, _ = s.Accept(ctx, inboxtest.Arrival(fmt.Sprint("filler ", i))) })
	}
	inboxtest.Eventually(t, "the queue is full", func() bool { return store.Waiting(s) == store.QueueLength })
	if _, err := s.Accept(ctx, inboxtest.Arrival("one too many")); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("an accept: %v", err)
	}
	settled := make(chan error, 1)
	wg.Go(func() {
		if err := s.Settle(ctx, settledOnce(s), func(err error) { settled <- err }); err != nil {
			settled <- err
		}
	})
	callerCtx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if err := s.Settle(callerCtx, settledOnce(s), func(error) { t.Error("it was queued") }); err == nil {
		t.Error("a settlement was queued although the queue is full")
	}
	release()
	if err := <-settled; err != nil {
		t.Errorf("the settlement that waited: %v", err)
	}
	wg.Wait()
}

// settledOnce returns the settlement of the first event.
func settledOnce(s *store.Store) *inbox.Settlement {
	st := inboxtest.Settled("p", 1)
	st.Term = s.Term()
	return st
}

func TestSettlementsUseAtMostAQuarterOfTheQueue(t *testing.T) {
	t.Parallel()
	s := ready(t, 1)
	release := store.Hold(s)
	callerCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	chain := &inbox.Chain{}
	stuck := make(chan int, 1)
	answers := make(chan error, store.QueueLength)
	go func() { // submits more than may wait
		n := 0
		for ; n < store.QueueLength; n++ {
			st := &inbox.Settlement{Plugin: "p", Term: s.Term(), Chain: chain, Position: inbox.PositionChange{Cursor: 1}}
			if err := s.Settle(callerCtx, st, func(err error) { answers <- err }); err != nil {
				break
			}
		}
		stuck <- n
	}()
	inboxtest.Eventually(t, "settlements wait", func() bool { return store.Waiting(s) >= store.QueueLength/4 })
	var wg sync.WaitGroup
	for i := range store.QueueLength / 2 {
		wg.Go(func() { inboxtest.Accept(t, s, fmt.Sprint("event ", i)) })
	}
	inboxtest.Eventually(t, "the events wait, too", func() bool { return store.Waiting(s) >= store.QueueLength*3/4 })
	cancel()
	queued := <-stuck
	if queued != store.QueueLength/4 {
		t.Errorf("%d settlements were queued", queued)
	}
	release()
	wg.Wait()
	for range queued {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}

func TestTheQueueIsBoundedInBytesButAcceptsAnySingleBody(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{QueueBytes: 10_000})
	big := strings.Repeat("x", 50_000)
	inboxtest.Accept(t, s, big) // alone
	release := store.Hold(s)
	var wg sync.WaitGroup
	wg.Go(func() { inboxtest.Accept(t, s, strings.Repeat("y", 8_000)) })
	inboxtest.Eventually(t, "it waits", func() bool { return store.WaitingBytes(s) >= 8_000 }) // upkeep may wait there too
	if _, err := s.Accept(ctx, inboxtest.Arrival(big+"2")); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("over the bound: %v", err)
	}
	release()
	wg.Wait()
	inboxtest.Accept(t, s, big+"2")
}

func TestRefusedRequestsDoNotFillTheQueueOfEvents(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	release := store.Hold(s)
	var wg sync.WaitGroup
	for i := range store.QueueLength / 4 {
		wg.Go(func() { _ = s.Refuse(ctx, malformed(i)) })
	}
	inboxtest.Eventually(t, "the background queue is full", func() bool { return store.Waiting(s) >= store.QueueLength/4 })
	for i := range 50 {
		if err := s.Refuse(ctx, malformed(1000+i)); inbox.KindOf(err) != inbox.Unavailable {
			t.Errorf("a request to the full queue: %v", err)
		}
	}
	wg.Go(func() { inboxtest.Accept(t, s, "signed") })
	inboxtest.Eventually(t, "it waits", func() bool { return store.Waiting(s) > store.QueueLength/4 })
	release()
	wg.Wait()
}

// malformed returns a refused request with a malformed signature.
func malformed(n int) *inbox.Refused {
	return &inbox.Refused{Source: "q", Why: "malformed", Address: fmt.Sprint(n), ReceivedAt: time.Now(), Payload: inbox.Payload{Body: []byte(fmt.Sprint(n))}}
}

func TestAnEventIsStoredAfterItsSenderDisconnected(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	release := store.Hold(s)
	callerCtx, cancel := context.WithCancel(ctx)
	answer := make(chan error, 1)
	go func() {
		_, err := s.Accept(callerCtx, inboxtest.Arrival(strings.Repeat("impatient", 99)))
		answer <- err
	}()
	inboxtest.Eventually(t, "it waits", func() bool { return store.WaitingBytes(s) >= 900 }) // upkeep's changes are smaller
	cancel()
	if err := <-answer; !errors.Is(err, context.Canceled) {
		t.Errorf("answered %v", err)
	}
	release()
	inboxtest.Eventually(t, "it is stored", func() bool { return s.Head() == 1 })
	if r := inboxtest.Accept(t, s, strings.Repeat("impatient", 99)); r.Status != inbox.Duplicate {
		t.Errorf("receipt %+v", r)
	}
}

func TestSubscribersWakeAfterEventsAreDurable(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	wake, end := s.Subscribe()
	inboxtest.Accept(t, s, "a")
	select {
	case <-wake:
	case <-time.After(time.Minute):
		t.Fatal("no wake")
	}
	if s.Head() != 1 {
		t.Errorf("head %d", s.Head())
	}
	end()
	inboxtest.Accept(t, s, "b")
	select {
	case <-wake:
		t.Error("woken after the end")
	default:
	}
}

func TestAStoppingStoreCommitsQueuedEventsAndRejectsLaterOnes(t *testing.T) {
	t.Parallel()
	s, err := store.Open(ctx, store.Options{Dir: inboxtest.Dir(t), Create: true, Server: true, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	stop := inboxtest.Run(t, s)
	release := store.Hold(s)
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() { inboxtest.Accept(t, s, fmt.Sprint("waited ", i, strings.Repeat(" ", 100_000))) })
	}
	inboxtest.Eventually(t, "all wait", func() bool { return store.WaitingBytes(s) >= 30*100_000 }) // upkeep's changes are small
	stopped := make(chan struct{})
	go func() {
		stop()
		close(stopped)
	}()
	release()
	<-stopped
	wg.Wait()
	if _, err := s.Accept(ctx, inboxtest.Arrival("later")); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("after the stop: %v", err)
	}
	if err := s.Ready(ctx); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("ready after the stop: %v", err)
	}
	if err := s.Run(ctx); err == nil {
		t.Error("Run ran twice")
	}
	if s.Head() != 30 {
		t.Errorf("head %d", s.Head())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestCommandsWithoutAServerSeeEachOthersWrites(t *testing.T) {
	t.Parallel()
	dir := inboxtest.Dir(t)
	_, done := serve(t, store.SmallRuns(store.Options{Dir: dir}, 8))
	done()
	var both [2]*store.Store
	for i := range both {
		s, err := store.Open(ctx, store.SmallRuns(store.Options{Dir: dir}, 8))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		both[i] = s
	}
	for i := range 20 {
		if r := inboxtest.Accept(t, both[i%2], fmt.Sprint(i)); r.Seq != int64(i+1) || r.Status != inbox.Stored {
			t.Errorf("%d: %+v", i, r)
		}
		if r := inboxtest.Accept(t, both[(i+1)%2], fmt.Sprint(i)); r.Seq != int64(i+1) || r.Status != inbox.Duplicate {
			t.Errorf("%d from the other: %+v", i, r)
		}
	}
	inboxtest.Check(t, both[0])
	lock, err := datadir.WaitLock(ctx, dir, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	if err := lock.Announce(dir, datadir.Holding{PID: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := both[0].Accept(ctx, inboxtest.Arrival("beside a server")); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("beside a server: %v", err)
	}
}
