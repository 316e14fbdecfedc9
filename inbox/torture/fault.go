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

// fault is one row of the matrix: where, and what.
type fault struct {
	point, what string
	slow        bool // the server is slowed down by what watches it
	arm         func(chance *rand.Rand) arms
	do          func(r *round) // until the server is dead, or may be killed
	cannot      func() string  // says why this machine cannot do it; empty: it can
}

// round is what a fault has to work with.
type round struct {
	t      *campaign
	ctx    context.Context
	s      *server
	chance *rand.Rand
}

// arms returns how the server is to be started.
func (h *fault) arms(chance *rand.Rand) arms {
	if h.arm == nil {
		return arms{}
	}
	return h.arm(chance)
}

func (h *fault) act(r *round) {
	if h.do == nil {
		h.do = (*round).untilReached
	}
	h.do(r)
}

// moments waits for a while, or until the server is gone.
func (r *round) moments(least, most time.Duration) {
	r.s.wait(least + time.Duration(r.chance.Int64N(int64(most-least))))
}

// allFaults returns the rows of the matrix. Their order has no meaning.
func allFaults() []fault {
	list := []fault{
		{point: "any moment", what: "kill -9", do: (*round).killed},
		{point: "any moment", what: "told to stop", do: (*round).toldToStop},
		{point: "any moment", what: "SIGSTOP and on, then kill -9", do: (*round).paused, cannot: noSignals},
		{point: "under load", what: "plugin files replaced, then kill -9", do: (*round).replaced},
		{point: "replay under way", what: "kill -9", do: (*round).replaying},
		{point: "backup under way", what: "kill -9", do: (*round).backedUp},
		{point: "hostile plugins beside the honest ones", what: "kill -9", do: (*round).besideHostile},
		{point: "strangers at the handler", what: "kill -9", do: (*round).strangers, cannot: noLoopback},
	}
	for _, p := range []struct {
		point, where string
		most         int
	}{
		{pointBody, "body read", 300}, {pointBegin, "before the transaction", 150}, {pointExec, "in the transaction", 3000},
		{pointCommit, "before the commit", 150}, {pointCommitted, "after the commit, before anyone is told", 150},
		{pointAnswer, "after the commit, before the answer", 300}, {pointAttempt, "during an attempt", 200},
		{pointAttempted, "after an attempt, before its settlement", 200},
	} {
		list = append(list, fault{point: p.where, what: "kill -9", arm: func(chance *rand.Rand) arms {
			return arms{armed: true, env: []string{fmt.Sprintf("%s=%s:%d", envCrash, p.point, 1+chance.IntN(p.most))}}
		}})
	}
	list = append(list, fault{point: "during a replay's attempt", what: "kill -9", do: (*round).replayReached, arm: func(chance *rand.Rand) arms {
		return arms{armed: true, env: []string{fmt.Sprintf("%s=%s:%d", envCrash, pointReplay, 1+chance.IntN(100))}}
	}})
	for _, by := range []string{"1h", "-1h", "720h", "-720h"} {
		list = append(list, fault{point: "under load", what: "clock set by " + by + ", then kill -9", do: (*round).clocked, arm: func(chance *rand.Rand) arms {
			return arms{env: []string{fmt.Sprintf("%s=%s@%dms", envClock, by, 100+chance.IntN(400))}}
		}})
	}
	return append(list, diskFaults()...)
}

// choose returns the faults whose names contain one of those asked for, without those that cannot be done here.
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
	r.moments(20*time.Millisecond, 900*time.Millisecond)
	r.s.happened = r.s.alive()
	r.s.kill()
}

// toldToStop has the server stop as a supervisor does.
func (r *round) toldToStop() {
	r.moments(50*time.Millisecond, 900*time.Millisecond)
	r.s.happened = r.s.alive()
	r.s.stop(r.t)
}

// untilStruck waits until the server dies at its point. Where the point is not reached in time it is killed.
func (r *round) untilReached() {
	r.s.happened = r.s.wait(3 * time.Second)
}

// replay has everything replayed, or the newest, through two plugins, and reports whether it was begun. A server that has
// just started may not know the plugins yet: it is asked again.
func (r *round) replay() bool {
	args := []string{"replay", "-y", "--detach", "--plugin", "goes-on,takes-all"}
	for _, name := range sources { // all but what was stored before
		args = append(args, "--source", name)
	}
	if r.chance.IntN(2) == 0 {
		args = append(args, "--rate", "300")
	}
	for until := time.Now().Add(r.t.opt.Drain); ; rest(r.ctx, 50*time.Millisecond) {
		_, err := r.t.run(r.ctx, args...)
		switch {
		case err == nil:
			r.t.world.mu.Lock()
			defer r.t.world.mu.Unlock()
			r.t.world.replays++
			return true
		case !r.s.alive() || r.ctx.Err() != nil:
			return false
		case time.Now().After(until):
			r.t.report.broke("law 4: a replay cannot be begun: %v", err)
			return false
		case !r.s.armed:
			r.t.enableBlamed(r.ctx) // a release that was disabled before it ever ran is not known, either
		}
	}
}

func (r *round) replaying() {
	r.moments(50*time.Millisecond, 200*time.Millisecond)
	begun := r.replay()
	r.moments(10*time.Millisecond, 400*time.Millisecond)
	r.s.happened = begun && r.s.alive()
	r.s.kill()
}

func (r *round) replayReached() {
	r.moments(50*time.Millisecond, 200*time.Millisecond)
	r.replay()
	r.untilReached()
}

// clocked lives through a step of the clock. The next server's clock is right again, which is a step back.
func (r *round) clocked() {
	r.moments(600*time.Millisecond, 1200*time.Millisecond)
	r.s.happened = r.s.alive()
	r.s.kill()
}
