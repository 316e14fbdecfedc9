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

// window is the number of requests that wait for the disk at a time. It fills every commit with the largest batch, 256.
const window = 1024

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
		before, err := written()
		if err != nil {
			return err
		}
		r, err := l.newFixture(false)
		if err != nil {
			return err
		}
		defer os.RemoveAll(r.dir)
		if err := errors.Join(r.fill(ctx, list, window), r.close()); err != nil { // close makes the last checkpoint
			return err
		}
		between, err := written()
		if err != nil {
			return err
		}
		if err := l.settleAll(ctx, r.dir, "p", n, nil); err != nil {
			return err
		}
		after, err := written()
		if err != nil {
			return err
		}
		if err := l.settleAll(ctx, r.dir, "q", n, make([]byte, bodySize)); err != nil {
			return err
		}
		end, err := written()
		l.add("write.per_event", float64(between-before)/float64(n*bodySize))
		l.add("write.per_delivery", float64(after-between)/float64(n))
		l.add("write.per_state", float64(end-after-(after-between))/float64(n))
		return err
	}}, nil
}

// settleAll settles every event of a log as ok for a plugin, as a dispatcher does. Each writes the state of its lane, unless state is nil.
func (l *lab) settleAll(ctx context.Context, dir, plugin string, n int, state []byte) error {
	r, err := open(dir, false)
	if err != nil {
		return err
	}
	if err := r.Register(ctx, plugin, inbox.StartFrom{Start: true}); err != nil {
		return errors.Join(err, r.close())
	}
	places := make(chan struct{}, window)
	chain := &inbox.Chain{}
	var failed atomic.Pointer[error]
	for seq := int64(1); seq <= int64(n) && err == nil && failed.Load() == nil; seq++ {
		places <- struct{}{}
		now := time.Now()
		st := &inbox.Settlement{
			Plugin: plugin, Term: r.Term(), Chain: chain, Position: inbox.PositionChange{Cursor: max(seq-window, 0)},
			Attempt: &inbox.Attempt{Plugin: plugin, Seq: seq, Number: 1, Result: inbox.OK, Fate: inbox.Done, Counted: true, StartedAt: now, Release: "bench"},
		}
		if state != nil {
			st.Effects = &inbox.Effects{
				Lane: inbox.LaneID{Mode: inbox.Live, Key: fmt.Sprint("lane/", seq%10_000)}, State: &inbox.StateChange{State: inbox.State{Document: state}},
			}
		}
		err = r.Settle(ctx, st, func(err error) {
			if err != nil {
				failed.Store(&err)
			}
			<-places
		})
	}
	for range window {
		places <- struct{}{}
	}
	if f := failed.Load(); f != nil {
		err = errors.Join(err, *f)
	}
	return errors.Join(err, r.close())
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
