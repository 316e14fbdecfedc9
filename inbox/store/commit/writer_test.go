package commit_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"inbox/inbox"
	"inbox/inbox/store/commit"
)

func TestQueuedChangesShareOneCommit(t *testing.T) {
	t.Parallel()
	var commits atomic.Int64
	x := serve(t, commit.Options{Fault: func(point string) error {
		if point == commit.PointCommit {
			commits.Add(1)
		}
		return nil
	}})
	release := x.hold()
	ends := make([]chan error, 200)
	for i := range ends {
		ends[i] = x.submit(add(i))
	}
	release()
	for i, end := range ends {
		if err := <-end; err != nil {
			t.Errorf("change %d: %v", i, err)
		}
	}
	if n := commits.Load(); n != 1 {
		t.Errorf("%d commits for 200 changes that waited together", n)
	}
}

func TestAFailedChangeDoesNotFailTheOthersOfItsBatch(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]func() *op{
		"a violated constraint": func() *op { return add(0) },
		"a panic":               func() *op { return &op{Apply: func(*change) error { panic("a bug") }} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := serve(t, commit.Options{})
			release := x.hold()
			var good, failing []chan error
			for i := range 60 {
				good = append(good, x.submit(add(i)))
				if i%20 == 7 {
					failing = append(failing, x.submit(bad()))
				}
			}
			release()
			for i, end := range good {
				if err := <-end; err != nil {
					t.Errorf("change %d: %v", i, err)
				}
			}
			for _, end := range failing {
				if err := <-end; err == nil || inbox.KindOf(err) == inbox.Unavailable {
					t.Errorf("the change that fails ended with %v", err)
				}
			}
			if n := x.stored(); n != 60 || x.w.Ready() != nil {
				t.Errorf("%d notes, ready %v", n, x.w.Ready())
			}
		})
	}
}

// Every operation of the writer fails once. A change whose Done was called with nil is in the file. A change that failed
// can be made again. Memory equals the file.
func TestAFailedOperationNeitherLosesNorDuplicatesAChange(t *testing.T) {
	t.Parallel()
	for _, with := range []failure{diskFull, constraint, writeFails, flushFails} {
		t.Run(fmt.Sprint(int(with)), func(t *testing.T) {
			t.Parallel()
			for at, reached := int64(1), true; reached; at++ {
				reached = failAt(t, at, with)
				if t.Failed() {
					t.Fatalf("with operation %d failing", at)
				}
			}
		})
	}
}

// failAt makes three batches of changes and fails the operation with the number at. It reports whether that operation
// happened.
func failAt(t *testing.T, at int64, with error) bool {
	var calls, armed atomic.Int64
	x := serve(t, commit.Options{Relaxed: true, Fault: func(string) error {
		if armed.Load() > 0 && calls.Add(1) == at {
			return with
		}
		return nil
	}})
	armed.Store(1)
	for batch := range 3 {
		release := x.hold()
		var ends []chan error
		for i := range 4 {
			ends = append(ends, x.submit(add(10*batch+i)))
		}
		release()
		for i, end := range ends {
			if err := <-end; err == nil {
				continue
			}
			n := 10*batch + i
			again := &op{Apply: func(c *change) error { // a change whose commit seemed to fail may be in the file
				var there int
				if err := c.tx.Get("SELECT count(*) FROM notes WHERE n = ?", n).Scan(&there); err != nil || there == 1 {
					return err
				}
				return add(n).Apply(c)
			}}
			if err := x.w.Do(ctx, again); err != nil {
				t.Errorf("change %d, again: %v", n, err)
			}
		}
	}
	if n := x.stored(); n != 12 {
		t.Errorf("%d of 12 changes are in the file", n)
	}
	reached := calls.Load() >= at
	x.close()
	return reached
}

func TestAfterAFailedFlushTheFileIsReopenedBeforeTheNextChange(t *testing.T) {
	t.Parallel()
	var points []string // of the writing goroutine
	armed := false
	x := serve(t, commit.Options{Fault: func(point string) error {
		points = append(points, point)
		if armed && point == commit.PointCommit {
			armed = false
			return flushFails
		}
		return nil
	}})
	o := add(1)
	o.Refuse = func() error { points, armed = nil, true; return nil }
	if err := x.w.Do(ctx, o); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("the change ended with %v", err)
	}
	if err := x.w.Do(ctx, add(2)); err != nil {
		t.Errorf("the change after it: %v", err)
	}
	x.close()
	want := []string{"begin", "exec", "commit", "rollback", "reopen", "reload"}
	if len(points) < len(want) || fmt.Sprint(points[:len(want)]) != fmt.Sprint(want) { // the write that is made every second may follow
		t.Errorf("the writer did %v, not %v", points, want)
	}
}

func TestTheWriterEndsWhenTheFileCannotBeReopenedAfterAFailedFlush(t *testing.T) {
	t.Parallel()
	x := open(t, commit.Options{Server: true, Fault: func(point string) error {
		switch point {
		case commit.PointCommit, commit.PointReopen:
			return flushFails
		}
		return nil
	}})
	x.run()
	release := x.hold()
	ends := []chan error{x.submit(add(1)), x.submit(add(2))}
	release()
	for _, end := range ends {
		if err := <-end; inbox.KindOf(err) != inbox.Unavailable {
			t.Errorf("a change ended with %v", err)
		}
	}
	if err := <-x.ended; inbox.KindOf(err) != inbox.Internal || inbox.HintOf(err) == "" {
		t.Errorf("the writer ended with %v", err)
	}
	if err := x.w.Do(ctx, add(3)); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("a later change ended with %v", err)
	}
	if err := errors.Join(x.w.Readers().Close(), x.w.Close()); err != nil {
		t.Error(err)
	}
}

func TestReadyReportsAFullDiskUntilAWriteSucceeds(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	x := serve(t, commit.Options{Fault: func(point string) error {
		if full.Load() && point == commit.PointBegin {
			return diskFull
		}
		return nil
	}})
	full.Store(true)
	if err := x.w.Do(ctx, add(1)); inbox.KindOf(err) != inbox.Unavailable || inbox.HintOf(err) == "" {
		t.Errorf("a change on a full disk: %v", err)
	}
	if err := x.w.Ready(); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("ready on a full disk: %v", err)
	}
	full.Store(false)
	for n := range 2 { // Done is called before Ready is updated, so one change is not enough
		if err := x.w.Do(ctx, add(n)); err != nil {
			t.Error(err)
		}
	}
	if err := x.w.Ready(); err != nil {
		t.Errorf("ready afterwards: %v", err)
	}
}

func TestMemoryIsReloadedAfterACommitThatSeemedToFail(t *testing.T) {
	t.Parallel()
	var armed atomic.Bool
	x := serve(t, commit.Options{Fault: func(point string) error {
		if point == commit.PointCommitted && armed.Swap(false) {
			return writeFails
		}
		return nil
	}})
	armed.Store(true)
	if err := x.w.Do(ctx, add(1)); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("the change ended with %v", err)
	}
	if err := x.w.Do(ctx, add(2)); err != nil {
		t.Error(err)
	}
	if n := x.notes.known(); n != 2 || x.stored() != 2 {
		t.Errorf("%d notes in memory, %d in the file, not 2", n, x.stored())
	}
}

// A change whose COMMIT reported an error may be durable. Applied once more, it would change memory twice.
func TestNoChangeIsAppliedAgainAfterACommit(t *testing.T) {
	t.Parallel()
	for _, point := range []string{commit.PointCommit, commit.PointCommitted} {
		var armed atomic.Bool
		x := serve(t, commit.Options{Fault: func(at string) error {
			if at == point && armed.Swap(false) {
				return constraint
			}
			return nil
		}})
		release := x.hold()
		var applied [4]int // belongs to the writing goroutine until the changes have ended
		var ends []chan error
		for i := range applied {
			o := add(i)
			insert := o.Apply
			o.Apply = func(c *change) error {
				applied[i]++
				return insert(c)
			}
			ends = append(ends, x.submit(o))
		}
		armed.Store(true)
		release()
		for i, end := range ends {
			if err := <-end; err == nil || applied[i] != 1 {
				t.Errorf("%s: change %d was applied %d times, and ended with %v", point, i, applied[i], err)
			}
		}
		if err := x.w.Do(ctx, add(9)); err != nil || x.notes.known() != x.stored() {
			t.Errorf("%s: %v, %d notes in memory, %d in the file", point, err, x.notes.known(), x.stored())
		}
	}
}

func TestARefusedChangeIsNotApplied(t *testing.T) {
	t.Parallel()
	x := serve(t, commit.Options{})
	refusal := errors.New("an earlier change failed")
	o := add(1)
	o.Refuse = func() error { return refusal }
	if err := x.w.Do(ctx, o); !errors.Is(err, refusal) {
		t.Errorf("it ended with %v", err)
	}
	if n := x.stored(); n != 0 {
		t.Errorf("%d notes", n)
	}
}

func TestWithoutAServerEachChangeTakesTheLock(t *testing.T) {
	t.Parallel()
	var acquired, released int
	busy := false
	x := open(t, commit.Options{Lock: func() (func() error, error) {
		if busy {
			return nil, inbox.Errorf(inbox.Unavailable, "", "a server is running")
		}
		acquired++
		return func() error { released++; return nil }, nil
	}})
	defer x.close()
	for i := range 3 {
		if err := x.w.Do(ctx, add(i)); err != nil {
			t.Fatal(err)
		}
	}
	if acquired != 3 || released != 3 || x.notes.reloads != 4 { // once by Open
		t.Errorf("the lock was acquired %d times and released %d times; memory was read %d times", acquired, released, x.notes.reloads)
	}
	busy = true
	if err := x.w.Do(ctx, add(4)); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("beside a server: %v", err)
	}
	if err := x.w.Run(context.Background()); err == nil {
		t.Error("it ran, although it was not opened for a server")
	}
}
