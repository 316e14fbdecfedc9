package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"inbox/inbox"
)

// actor is the actor of a measurement's actions.
var actor = inbox.Actor{Name: "bench", Reason: "measuring"}

// window is the number of requests that wait for the disk at a time. It fills every commit with the largest batch, 256: one batch is
// written while another waits. The store's queue has space for twice as many, so that its own changes find space beside them.
const window = 512

// bytesWritten measures the bytes written to the disk, with the largest commits.
func bytesWritten(_ context.Context, l *lab) (comparison, error) {
	if _, err := written(); err != nil {
		return comparison{}, errSkipped("the system does not report the bytes that a process writes: " + err.Error())
	}
	n := l.scale(100_000)
	list, err := arrivals(n, n, bodySize)
	if err != nil {
		return comparison{}, err
	}
	return comparison{round: func(ctx context.Context) error {
		dir, err := l.newDir()
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		return l.countBytes(ctx, dir, list)
	}}, nil
}

// countBytes adds the figures of one log. Each step opens the store and closes it, which makes the last checkpoint.
func (l *lab) countBytes(ctx context.Context, dir string, list []*inbox.Arrival) error {
	effects := len(list) / 5 // fewer, because each is written twice
	perStep := func(n int, fn func(r *fixture) error) (float64, error) {
		before, err := written()
		if err != nil {
			return 0, err
		}
		r, err := open(dir, false)
		if err != nil {
			return 0, err
		}
		if err := errors.Join(fn(r), r.close()); err != nil {
			return 0, err
		}
		after, err := written()
		return float64(after-before) / float64(n), err
	}
	settled := func(plugin string, n int, effects func(seq int64) *inbox.Effects) (float64, error) {
		return perStep(n, func(r *fixture) error { return r.settleAll(ctx, plugin, n, effects) })
	}
	event, err := perStep(len(list), func(r *fixture) error { return r.fill(ctx, list, window) })
	if err != nil {
		return err
	}
	delivery, err := settled("p", len(list), func(int64) *inbox.Effects { return nil })
	if err != nil {
		return err
	}
	state, err := settled("q", len(list), func(seq int64) *inbox.Effects {
		return &inbox.Effects{Lane: laneOf(seq), State: &inbox.StateChange{State: inbox.State{Document: make([]byte, bodySize)}}}
	})
	if err != nil {
		return err
	}
	effect, err := settled("r", effects, asking(crm))
	if err != nil {
		return err
	}
	send, err := perStep(effects, func(r *fixture) error { return sendAll(ctx, r, effects, answersAtOnce{}) })
	if err != nil {
		return err
	}
	l.add("write.per_event", event/bodySize)
	l.add("write.per_delivery", delivery)
	l.add("write.per_state", state-delivery)
	l.add("write.per_effect", effect-delivery+send)
	l.add("write.per_send", send)
	return nil
}

// laneOf returns the lane of an event of a measurement that settles without a dispatcher.
func laneOf(seq int64) inbox.LaneID {
	return inbox.LaneID{Mode: inbox.Live, Key: fmt.Sprint("lane/", seq%10_000)}
}

// settleAll settles the first n events of a log as ok for a new plugin, as a dispatcher does.
func (r *fixture) settleAll(ctx context.Context, plugin string, n int, effects func(seq int64) *inbox.Effects) error {
	if err := r.Register(ctx, plugin, inbox.StartFrom{Start: true}); err != nil {
		return err
	}
	places := make(chan struct{}, window)
	chain := &inbox.Chain{}
	var failed atomic.Pointer[error]
	var err error
	for seq := int64(1); seq <= int64(n) && err == nil && failed.Load() == nil; seq++ {
		places <- struct{}{}
		now := time.Now()
		err = r.Settle(ctx, &inbox.Settlement{
			Plugin: plugin, Term: r.Term(), Chain: chain, Position: inbox.PositionChange{Cursor: max(seq-window, 0)}, Effects: effects(seq),
			Attempt: &inbox.Attempt{Plugin: plugin, Seq: seq, Number: 1, Result: inbox.OK, Fate: inbox.Done, Counted: true, StartedAt: now, Release: "bench"},
		}, func(err error) {
			if err != nil {
				failed.Store(&err)
			}
			<-places
		})
		if err != nil {
			<-places
		}
	}
	for range window {
		places <- struct{}{}
	}
	if f := failed.Load(); f != nil {
		err = errors.Join(err, *f)
	}
	return err
}

// written returns the number of bytes that this process has passed to the system to write (proc_pid_io(5)).
func written() (int64, error) {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "wchar: "); ok {
			return strconv.ParseInt(strings.TrimSpace(n), 10, 64)
		}
	}
	return 0, fmt.Errorf("no wchar in %q", text)
}
