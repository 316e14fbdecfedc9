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
	"inbox/inbox/outbox"
	"inbox/inbox/serve"
)

// tortured is the hidden command: `inbox serve` with the hooks of [HooksFromEnv].
const tortured = "__tortured"

// The environment of the hidden command.
const (
	envCrash = "INBOX_CRASH_AT"   // POINT:N: the program is killed when it reaches a point for the n-th time
	envClock = "INBOX_CLOCK_STEP" // OFFSET@AFTER: the clock is moved by OFFSET when the program has run for AFTER
)

// Points at which the program can be killed, in the order in which an event passes them.
const (
	pointBody      = "body"      // the body is read and verified, but not stored
	pointBegin     = "begin"     // the writer begins a transaction
	pointExec      = "exec"      // in a transaction, before a statement
	pointCommit    = "commit"    // before the commit
	pointCommitted = "committed" // after the commit, before any waiter is notified
	pointAnswer    = "answer"    // the event is stored, and the handler has not answered
	pointAttempt   = "attempt"   // while a guest runs
	pointAttempted = "attempted" // the guest has ended, and its outcome is not settled
	pointReplay    = "replay"    // while a guest runs for a replay
	pointSend      = "send"      // a request is committed, and not sent
	pointSent      = "sent"      // a request has its response, and is not settled
	pointSettled   = "settled"   // the settlement of a request is durable, and the outbox does not know
	pointMigrate   = "migrate"   // in a migration, before its commit
)

func points() []string {
	return []string{
		pointBody, pointBegin, pointExec, pointCommit, pointCommitted, pointAnswer, pointAttempt, pointAttempted, pointReplay, pointSend, pointSent, pointSettled, pointMigrate,
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

// stepped returns a clock that is moved once. Its times have no monotonic part, so the step affects every comparison. A step of
// the real clock affects only comparisons with stored times.
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
			killSelf()
		}
	}
	h.Fault = func(where string) error {
		at(where)
		return nil
	}
	h.Send = func(s outbox.Sender) outbox.Sender { return &crashingSender{s, at} }
	h.Sends = func(s outbox.Store) outbox.Store { return &crashingOutbox{s, at} }
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

// killSelf kills the program as kill -9 does: it flushes, closes and logs nothing.
func killSelf() {
	p, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		panic(fmt.Sprintf("cannot die: %v", err)) // impossible: it is our own process
	}
	select {} // until the signal arrives
}

// crashingKeeper is a store that may kill the program before or after Accept.
type crashingKeeper struct {
	intake.Keeper
	at func(string)
}

// Accept calls Accept of the store between two points.
func (k *crashingKeeper) Accept(ctx context.Context, a *inbox.Arrival) (inbox.Receipt, error) {
	k.at(pointBody)
	r, err := k.Keeper.Accept(ctx, a)
	if err == nil {
		k.at(pointAnswer)
	}
	return r, err
}

// crashingSender may kill the program before or after a request is sent.
type crashingSender struct {
	outbox.Sender
	at func(string)
}

// Send calls Send of the sender between two points.
func (s *crashingSender) Send(ctx context.Context, e *inbox.Effect, r *inbox.EffectRequest) inbox.Sent {
	s.at(pointSend)
	sent := s.Sender.Send(ctx, e, r)
	s.at(pointSent)
	return sent
}

// crashingOutbox is a store that may kill the program after the settlement of a request.
type crashingOutbox struct {
	outbox.Store
	at func(string)
}

// SettleSend calls SettleSend of the store before a point.
func (s *crashingOutbox) SettleSend(ctx context.Context, st *inbox.SendSettlement, done func(error)) error {
	return s.Store.SettleSend(ctx, st, func(err error) {
		s.at(pointSettled)
		done(err)
	})
}
