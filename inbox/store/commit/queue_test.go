package commit_test

import (
	"context"
	"errors"
	"testing"

	"inbox/inbox"
	"inbox/inbox/store/commit"
)

// kind returns a change of a kind that writes size bytes.
func kind(k commit.Kind, n, size int) *op {
	o := add(n)
	o.Kind, o.Size = k, size
	return o
}

func TestAFullQueueRejectsOffersAndOtherChangesWait(t *testing.T) {
	t.Parallel()
	x := serve(t, commit.Options{})
	release := x.hold()
	var ends []chan error
	for i := range commit.QueueLength {
		ends = append(ends, x.submit(kind(commit.Offer, i, 0)))
	}
	if err := x.w.Do(ctx, kind(commit.Offer, -1, 0)); !errors.Is(err, commit.ErrFull) {
		t.Errorf("an offer to a full queue: %v", err)
	}
	callerCtx, cancel := context.WithCancel(ctx)
	cancel()
	for _, k := range []commit.Kind{commit.Wait, commit.Lazy} {
		if err := x.w.Submit(callerCtx, kind(k, -2, 0)); !errors.Is(err, context.Canceled) {
			t.Errorf("kind %d was queued although the queue is full: %v", k, err)
		}
	}
	waited := make(chan error, 1)
	go func() { waited <- x.w.Do(ctx, kind(commit.Wait, -3, 0)) }()
	release()
	for _, end := range append(ends, waited) {
		if err := <-end; err != nil {
			t.Error(err)
		}
	}
}

func TestLazyChangesUseAtMostAQuarterOfTheQueue(t *testing.T) {
	t.Parallel()
	x := serve(t, commit.Options{})
	release := x.hold()
	var ends []chan error
	for i := range commit.QueueLength / 4 {
		ends = append(ends, x.submit(kind(commit.Lazy, i, 0)))
	}
	callerCtx, cancel := context.WithCancel(ctx)
	cancel()
	if err := x.w.Submit(callerCtx, kind(commit.Lazy, -1, 0)); !errors.Is(err, context.Canceled) {
		t.Errorf("one more lazy change: %v", err)
	}
	for i := range commit.QueueLength / 2 {
		ends = append(ends, x.submit(kind(commit.Offer, 10_000+i, 0)))
	}
	release()
	for _, end := range ends {
		if err := <-end; err != nil {
			t.Error(err)
		}
	}
}

func TestTheQueueIsBoundedInBytesButAcceptsAnySingleChange(t *testing.T) {
	t.Parallel()
	x := serve(t, commit.Options{QueueBytes: 10_000})
	if err := x.w.Do(ctx, kind(commit.Offer, 1, 50_000)); err != nil {
		t.Errorf("a large change alone: %v", err)
	}
	release := x.hold()
	first := x.submit(kind(commit.Offer, 2, 8_000))
	if _, bytes := x.w.Waiting(); bytes != 8_000 {
		t.Errorf("%d bytes wait", bytes)
	}
	if err := x.w.Do(ctx, kind(commit.Offer, 3, 50_000)); !errors.Is(err, commit.ErrFull) {
		t.Errorf("over the bound: %v", err)
	}
	release()
	if err := <-first; err != nil {
		t.Error(err)
	}
	if err := x.w.Do(ctx, kind(commit.Offer, 3, 50_000)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestBackgroundChangesDoNotUseTheMainQueue(t *testing.T) {
	t.Parallel()
	x := serve(t, commit.Options{})
	release := x.hold()
	var ends []chan error
	refused := 0
	for i := range commit.QueueLength / 2 { // the background queue has 256 places
		end := x.submit(kind(commit.Background, i, 0))
		select {
		case err := <-end:
			if !errors.Is(err, commit.ErrFull) {
				t.Errorf("background change %d: %v", i, err)
			}
			refused++
		default:
			ends = append(ends, end)
		}
	}
	if refused != commit.QueueLength/4 {
		t.Errorf("%d of %d background changes were refused", refused, commit.QueueLength/2)
	}
	for i := range commit.QueueLength {
		ends = append(ends, x.submit(kind(commit.Offer, 10_000+i, 0)))
	}
	release()
	for _, end := range ends {
		if err := <-end; err != nil {
			t.Error(err)
		}
	}
}

func TestAStoppingWriterCommitsQueuedChangesAndRejectsLaterOnes(t *testing.T) {
	t.Parallel()
	x := serve(t, commit.Options{})
	release := x.hold()
	var ends []chan error
	for i, k := range []commit.Kind{commit.Wait, commit.Lazy, commit.Offer, commit.Background} {
		ends = append(ends, x.submit(kind(k, i, 100)))
	}
	x.stop()
	release()
	for i, end := range ends {
		if err := <-end; err != nil {
			t.Errorf("change %d: %v", i, err)
		}
	}
	if err := <-x.ended; err != nil {
		t.Error(err)
	}
	x.ended <- nil // for close
	if err := x.w.Do(ctx, add(9)); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("after the stop: %v", err)
	}
	if err := x.w.Ready(); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("ready after the stop: %v", err)
	}
	if err := x.w.Run(ctx); err == nil {
		t.Error("it ran twice")
	}
	if n := x.stored(); n != 4 {
		t.Errorf("%d changes are in the file", n)
	}
}

func TestAQueuedChangeIsMadeAfterItsCallerStoppedWaiting(t *testing.T) {
	t.Parallel()
	x := serve(t, commit.Options{})
	release := x.hold()
	callerCtx, cancel := context.WithCancel(ctx)
	cancel()
	if err := x.w.Do(callerCtx, kind(commit.Offer, 1, 0)); !errors.Is(err, context.Canceled) {
		t.Errorf("answered %v", err)
	}
	release()
	if err := x.w.Do(ctx, add(2)); err != nil {
		t.Error(err)
	}
	if n := x.stored(); n != 2 {
		t.Errorf("%d changes are in the file", n)
	}
}
