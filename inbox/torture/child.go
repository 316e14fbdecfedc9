package torture

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"inbox/inbox"
	"inbox/inbox/dispatch"
	"inbox/inbox/intake"
	"inbox/inbox/serve"
)

// tortured is the hidden command that is `inbox serve` with [HooksFromEnv] in it.
const tortured = "__tortured"

// The environment of the hidden command.
const (
	envCrash = "INBOX_CRASH_AT"   // POINT:N, the program is killed when it reaches a point for the n-th time
	envClock = "INBOX_CLOCK_STEP" // OFFSET@AFTER, the clock is set by OFFSET when the program is so old
)

// Points at which the program can be killed, in the order in which an event comes by.
const (
	pointBody      = "body"      // the body is read and verified, and not stored
	pointBegin     = "begin"     // the writer begins a transaction
	pointExec      = "exec"      // in a transaction, before a statement
	pointCommit    = "commit"    // before the commit
	pointCommitted = "committed" // after the commit, nobody has been told
	pointAnswer    = "answer"    // the handler knows that it is stored and has not answered
	pointAttempt   = "attempt"   // while a guest runs
	pointAttempted = "attempted" // the guest has ended, nothing is settled
	pointReplay    = "replay"    // while a guest runs for a replay
	pointMigrate   = "migrate"   // in a migration, before its commit
)

func points() []string {
	return []string{
		pointBody, pointBegin, pointExec, pointCommit, pointCommitted, pointAnswer, pointAttempt, pointAttempted, pointReplay, pointMigrate,
	}
}

// HooksFromEnv returns the hooks of the hidden command, from its environment.
func HooksFromEnv(getenv func(string) string) (serve.Hooks, error) {
	var h serve.Hooks
	if text := getenv(envCrash); text != "" {
		point, times, _ := strings.Cut(text, ":")
		n, err := strconv.ParseInt(times, 10, 64)
		if err != nil || n < 1 || !slices.Contains(points(), point) {
			return h, inbox.Errorf(inbox.Invalid, "", "%s is %q, not POINT:N with one of %s", envCrash, text, strings.Join(points(), ", "))
		}
		crash(&h, point, n)
	}
	if text := getenv(envClock); text != "" {
		offset, after, _ := strings.Cut(text, "@")
		by, err := time.ParseDuration(offset)
		when, err2 := time.ParseDuration(after)
		if err != nil || err2 != nil {
			return h, inbox.Errorf(inbox.Invalid, "", "%s is %q, not OFFSET@AFTER", envClock, text)
		}
		h.Now = stepped(by, when)
	}
	return h, nil
}

// stepped is a clock that is set once. Its times have no monotonic part, so that a step shows in every comparison: a
// real one shows only in those with times that were stored.
func stepped(by, after time.Duration) func() time.Time {
	began := time.Now()
	return func() time.Time {
		now := time.Now()
		if now.Sub(began) >= after {
			now = now.Add(by)
		}
		return now.Round(0)
	}
}

// crash kills the program when it reaches a point for the n-th time.
func crash(h *serve.Hooks, point string, n int64) {
	var times atomic.Int64
	at := func(where string) {
		if where == point && times.Add(1) == n {
			die()
		}
	}
	h.Fault = func(where string) error {
		at(where)
		return nil
	}
	h.Keep = func(k intake.Keeper) intake.Keeper { return &crashingKeeper{Keeper: k, at: at} }
	h.Run = func(run dispatch.Runner) dispatch.Runner {
		return func(ctx context.Context, w *inbox.Work) inbox.Outcome {
			d := w.Delivery
			go func() { // while the guest is at work
				at(pointAttempt)
				if d.Replay() {
					at(pointReplay)
				}
			}()
			out := run(ctx, w)
			at(pointAttempted)
			return out
		}
	}
}

// die kills the program as kill -9 does: nothing is flushed, nothing is closed, nothing is said.
func die() {
	p, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		panic(fmt.Sprintf("cannot die: %v", err)) // impossible: it is our own process
	}
	select {} // the signal is on its way
}

// crashingKeeper is a store that the program may not come to, or not come back from.
type crashingKeeper struct {
	intake.Keeper
	at func(string)
}

// Accept is the store's, with a point before and after it.
func (k *crashingKeeper) Accept(ctx context.Context, a *inbox.Arrival) (inbox.Receipt, error) {
	k.at(pointBody)
	r, err := k.Keeper.Accept(ctx, a)
	if err == nil {
		k.at(pointAnswer)
	}
	return r, err
}
