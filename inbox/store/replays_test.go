package store_test

import (
	"context"
	"errors"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
	"inbox/inbox/storetest"
)

func TestCreateReplayDoesNotWriteToTheReplayAfterItsCallerStoppedWaiting(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	storetest.NewWorld(t, s).Arrive(1)
	release := store.Hold(s)
	callerCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	j, answer := &inbox.Replay{Plugins: []string{"p"}}, make(chan error, 1)
	go func() { answer <- s.CreateReplay(callerCtx, operator, j) }()
	inboxtest.Eventually(t, "it waits for the writer", func() bool { return store.Waiting(s) == 1 })
	cancel()
	if err := <-answer; !errors.Is(err, context.Canceled) {
		t.Errorf("answered %v", err)
	}
	release()
	inboxtest.Eventually(t, "it is stored", func() bool {
		jobs, err := s.Replays(ctx, "")
		return err == nil && len(jobs) == 1
	})
	if j.ID != 0 || j.State != "" {
		t.Errorf("replay %+v", j)
	}
}
