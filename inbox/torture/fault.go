package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"inbox/inbox"
)

// fault is one row of the crash matrix: a point and a kind of fault.
type fault struct {
	point, kind string
	slow        bool // a tracer slows the server down
	arm         func(rng *rand.Rand) setup
	do          func(r *round) // returns when the server has ended, or may be killed
	cannot      func() string  // returns why this machine cannot do it; empty: it can
}

// round is the round in which a fault happens. Each kind of fault is a method of it.
type round struct {
	t   *campaign
	ctx context.Context
	s   *server
	rng *rand.Rand
}

// setup returns the start options of the server.
func (h *fault) setup(rng *rand.Rand) setup {
	if h.arm == nil {
		return setup{}
	}
	return h.arm(rng)
}

func (h *fault) act(r *round) {
	if h.do == nil {
		h.do = (*round).untilReached
	}
	h.do(r)
}

// pause waits for a random time between least and most, or until the server has ended.
func (r *round) pause(least, most time.Duration) {
	r.s.wait(least + time.Duration(r.rng.Int64N(int64(most-least))))
}

// allFaults returns the rows of the matrix. Their order has no meaning.
func allFaults() []fault {
	list := []fault{
		{point: "any moment", kind: "kill -9", do: (*round).killed},
		{point: "any moment", kind: "told to stop", do: (*round).toldToStop},
		{point: "any moment", kind: "SIGSTOP and on, then kill -9", do: (*round).paused, cannot: noSignals},
		{point: "under load", kind: "plugin files replaced, then kill -9", do: (*round).replaced},
		{point: "replay under way", kind: "kill -9", do: (*round).replaying},
		{point: "backup under way", kind: "kill -9", do: (*round).backedUp},
		{point: "hostile plugins beside the honest ones", kind: "kill -9", do: (*round).besideHostile},
		{point: "strangers at the handler", kind: "kill -9", do: (*round).strangers, cannot: noLoopback},
	}
	for _, p := range []struct {
		point, where string
		most         int
	}{
		{pointBody, "body read", 300}, {pointBegin, "before the transaction", 150}, {pointExec, "in the transaction", 3000},
		{pointCommit, "before the commit", 150}, {pointCommitted, "after the commit, before anyone is told", 150},
		{pointAnswer, "after the commit, before the answer", 300}, {pointAttempt, "during an attempt", 200},
		{pointAttempted, "after an attempt, before its settlement", 200}, {pointSend, "before a request is sent", 150},
		{pointSent, "after a response, before its settlement", 150}, {pointSettled, "after the settlement of a request, before the outbox is told", 150},
	} {
		list = append(list, fault{point: p.where, kind: "kill -9", arm: func(rng *rand.Rand) setup {
			return setup{mayEnd: true, env: []string{fmt.Sprintf("%s=%s:%d", envCrash, p.point, 1+rng.IntN(p.most))}}
		}})
	}
	list = append(list, fault{point: "during a replay's attempt", kind: "kill -9", do: (*round).replayReached, arm: func(rng *rand.Rand) setup {
		return setup{mayEnd: true, env: []string{fmt.Sprintf("%s=%s:%d", envCrash, pointReplay, 1+rng.IntN(100))}}
	}})
	for _, by := range []string{"1h", "-1h", "720h", "-720h"} {
		list = append(list, fault{point: "under load", kind: "clock set by " + by + ", then kill -9", do: (*round).clocked, arm: func(rng *rand.Rand) setup {
			return setup{env: []string{fmt.Sprintf("%s=%s@%dms", envClock, by, 100+rng.IntN(400))}}
		}})
	}
	return append(list, diskFaults()...)
}

// choose returns the faults whose names contain an element of only, or all. It skips the faults that this machine cannot do.
func choose(only []string) (list []fault, leftOut []string, err error) {
	for _, h := range allFaults() {
		if len(only) > 0 && !slices.ContainsFunc(only, func(o string) bool { return strings.Contains(h.String(), o) }) {
			continue
		}
		if h.cannot != nil {
			if why := h.cannot(); why != "" {
				leftOut = append(leftOut, h.String()+" ("+why+")")
				continue
			}
		}
		list = append(list, h)
	}
	if len(list) == 0 {
		var names []string
		for _, h := range allFaults() {
			names = append(names, h.String())
		}
		return nil, leftOut, inbox.Errorf(inbox.Invalid, "", "no fault is left").WithHint("there are: " + strings.Join(names, "; "))
	}
	return list, leftOut, nil
}

// killed kills the server at any moment.
func (r *round) killed() {
	r.pause(20*time.Millisecond, 900*time.Millisecond)
	r.s.happened = r.s.alive()
	r.s.kill()
}

// toldToStop has the server stop as a supervisor does.
func (r *round) toldToStop() {
	r.pause(50*time.Millisecond, 900*time.Millisecond)
	r.s.happened = r.s.alive()
	r.s.stop(r.t)
}

// untilReached waits until the server dies at its point. A server that does not reach the point in time is killed later.
func (r *round) untilReached() {
	r.s.happened = r.s.wait(3 * time.Second)
}

// replay starts a replay of all events that torture sent through two plugins. It reports whether the replay was started. A server
// that has just started may not know the plugins yet, so replay tries again.
func (r *round) replay() bool {
	args := []string{"replay", "-y", "--detach", "--plugin", "goes-on,takes-all"}
	for _, name := range sources { // without the events that were stored before
		args = append(args, "--source", name)
	}
	if r.rng.IntN(2) == 0 {
		args = append(args, "--rate", "300")
	}
	for until := time.Now().Add(r.t.opt.Drain); ; sleep(r.ctx, 50*time.Millisecond) {
		_, err := r.t.run(r.ctx, args...)
		switch {
		case err == nil:
			r.t.history.mu.Lock()
			defer r.t.history.mu.Unlock()
			r.t.history.replays++
			return true
		case !r.s.alive() || r.ctx.Err() != nil:
			return false
		case time.Now().After(until):
			r.t.report.broke("law 4: a replay cannot be started: %v", err)
			return false
		case !r.s.mayEnd:
			r.t.enableBlamed(r.ctx) // a plugin whose release was disabled before it ever ran is also unknown
		}
	}
}

func (r *round) replaying() {
	r.pause(50*time.Millisecond, 200*time.Millisecond)
	begun := r.replay()
	r.pause(10*time.Millisecond, 400*time.Millisecond)
	r.s.happened = begun && r.s.alive()
	r.s.kill()
}

func (r *round) replayReached() {
	r.pause(50*time.Millisecond, 200*time.Millisecond)
	r.replay()
	r.untilReached()
}

// clocked lets the server run through a step of the clock. The next server has the real clock, so it sees a step back.
func (r *round) clocked() {
	r.pause(600*time.Millisecond, 1200*time.Millisecond)
	r.s.happened = r.s.alive()
	r.s.kill()
}
