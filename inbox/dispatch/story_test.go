package dispatch_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

// TestMain runs fewer stories than rapid's default, since a story takes a while, and more tests at once than there are
// processors, since tests wait for the disk and for timers.
func TestMain(m *testing.M) {
	flag.Parse()
	for name, value := range map[string]string{"rapid.checks": "12", "test.parallel": "8"} {
		if f := flag.Lookup(name); f.Value.String() == f.DefValue && flag.Set(name, value) != nil {
			os.Exit(2)
		}
	}
	os.Exit(m.Run())
}

// story is a fixture with a small model of the steps taken.
type story struct {
	*fixture
	rt        *rapid.T
	faulty    *faulty
	sent      int
	release   int
	away      bool // the plugin's file
	held      bool // by the operator
	jobs      []*inbox.Replay
	cancelled map[int64]bool
	discarded map[int64]bool // first runs that were discarded
}

var operator = inbox.Actor{Name: "test"}

// The laws of a plugin, whatever it says, whatever an operator does, and whenever it is stopped or the disk fails:
//  1. at the end the first run of every event is settled by exactly one attempt, or was discarded;
//  2. the attempts of a run are numbered without a gap, and none is recorded after a final one but when it was retried;
//  3. first runs of a lane settle in the order of arrival, unless the plugin continues after a failure: no later event ends
//     before an earlier one of its key, also while the plugin changes its lane rule;
//  4. every replay that was not cancelled ends, and the counts of a replay of all events add up to what it matched;
//  5. the store keeps its own laws.
func TestAnyStoryEndsWithEveryEventSettledOnceAndInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := inbox.Manifest{Concurrency: rapid.IntRange(1, 4).Draw(rt, "concurrency")}
		m.Policy = inbox.Policy{MaxAttempts: rapid.IntRange(1, 4).Draw(rt, "attempts"), HoldAfter: 4, HoldKeys: 2}
		m.Policy.OnFailure = rapid.SampledFrom([]inbox.OnFailure{inbox.Park, inbox.Block, inbox.Continue}).Draw(rt, "on failure")
		s := &story{rt: rt, cancelled: map[int64]bool{}, discarded: map[int64]bool{}, release: 1}
		seed := rapid.Uint64().Draw(rt, "seed")
		s.fixture, s.faulty = newFaultyFixture(t, m, moods(seed))
		s.start("r1")
		defer func() { s.stop() }()
		steps := map[string]func(){
			"send": s.arrive, "restart": s.restart, "swap": s.swap, "file": s.file, "pause": s.pause,
			"replay": s.replay, "cancel": s.cancel, "retry": s.retry, "discard": s.discard, "lose": s.lose, "time": s.time,
		}
		names := []string{"send", "restart", "swap", "file", "pause", "replay", "cancel", "retry", "discard", "lose", "time", "send", "time"}
		s.arrive()
		for _, name := range rapid.SliceOfN(rapid.SampledFrom(names), 5, 25).Draw(rt, "steps") {
			steps[name]()
		}
		s.heal()
		s.verify()
	})
}

// moods is a plugin that fails some attempts, always the same ones.
func moods(seed uint64) func(made) inbox.Result {
	return func(m made) inbox.Result {
		h := (seed ^ uint64(m.seq)*0x9e3779b97f4a7c15 ^ uint64(m.attempt)<<32 ^ uint64(m.run)<<48) * 0xbf58476d1ce4e5b9
		switch n := h >> 33 % 100; {
		case n < 6:
			return inbox.Reject
		case n < 40:
			return inbox.Trap
		case n < 50:
			return inbox.Skip
		}
		return inbox.OK
	}
}

func (s *story) arrive() {
	n := rapid.IntRange(1, 12).Draw(s.rt, "events")
	s.send(n, 5, s.sent)
	s.sent += n
}

func (s *story) restart() {
	s.stop()
	s.start(fmt.Sprint("r", s.release))
	s.away = false
}

func (s *story) swap() {
	s.release++
	s.away = false
	s.manifest.Order = rapid.SampledFrom([]inbox.Order{inbox.ByKey, inbox.Global}).Draw(s.rt, "order")
	s.manifest.KeyBy = rapid.SampledFrom([]inbox.KeyBy{inbox.KeyByKey, inbox.KeyByReference, "/data/id", "/event"}).Draw(s.rt, "key by")
	s.live(fmt.Sprint("r", s.release))
}

func (s *story) file() {
	if s.away {
		s.live(fmt.Sprint("r", s.release))
	} else {
		s.dispatch.SetLive(plugin, nil)
	}
	s.away = !s.away
}

func (s *story) pause() {
	s.held = !s.held
	s.must(s.store.SetPaused(ctx, operator, plugin, s.held))
	s.dispatch.Wake(plugin)
}

func (s *story) replay() {
	j := &inbox.Replay{Plugins: []string{plugin}, Only: rapid.SampledFrom([]inbox.Only{inbox.OnlyAll, inbox.OnlyFailed, inbox.OnlyMissing}).Draw(s.rt, "only")}
	j.Rate = rapid.SampledFrom([]float64{0, 0, 200}).Draw(s.rt, "rate")
	if err := s.store.CreateReplay(ctx, operator, j); inbox.KindOf(err) == inbox.NotFound {
		return // nothing matches
	} else {
		s.must(err)
	}
	s.jobs = append(s.jobs, j)
	s.dispatch.Wake(plugin)
}

func (s *story) cancel() {
	if len(s.jobs) == 0 {
		return
	}
	j := rapid.SampledFrom(s.jobs).Draw(s.rt, "replay")
	if err := s.store.CancelReplay(ctx, operator, j.ID); inbox.KindOf(err) != inbox.Conflict {
		s.must(err)
		s.cancelled[j.ID] = true
	}
	s.dispatch.Wake(plugin)
}

func (s *story) retry() { s.resolve(s.store.Retry) }

func (s *story) discard() {
	if l := s.resolve(s.store.Discard); l != nil && l.Run == 0 {
		s.discarded[l.Seq] = true
	}
}

// resolve retries or discards a dead letter. It returns nil without one, or when a replay was faster.
func (s *story) resolve(how func(_ context.Context, _ inbox.Actor, plugin string, seq, run int64) error) *inbox.DeadLetterDetail {
	letters, err := s.store.DeadLetters(ctx, inbox.DeadLetterFilter{})
	s.must(err)
	if len(letters) == 0 {
		return nil
	}
	l := letters[rapid.IntRange(0, 99).Draw(s.rt, "letter")%len(letters)]
	err = how(ctx, operator, plugin, l.Seq, l.Run)
	if inbox.KindOf(err) == inbox.Conflict {
		return nil
	}
	s.must(err)
	s.dispatch.Wake(plugin)
	return &l
}

// lose makes the next settlement fail.
func (s *story) lose() {
	s.faulty.mu.Lock()
	defer s.faulty.mu.Unlock()
	left := 1
	s.faulty.settle = func(*inbox.Settlement) error {
		if left--; left >= 0 {
			return errDisk
		}
		return nil
	}
}

// time advances the clock of the fixture, and gives the loop up to 20 ms.
func (s *story) time() {
	s.later(time.Duration(rapid.IntRange(1, 20).Draw(s.rt, "seconds")) * time.Second)
	before := len(s.attempts())
	until := time.Now().Add(20 * time.Millisecond)
	for len(s.attempts()) < before+3 && time.Now().Before(until) {
		s.looked()
	}
}

// heal ends the failures, and retries dead letters until nothing waits.
func (s *story) heal() {
	s.say(nil)
	s.faulty.mu.Lock()
	s.faulty.settle = nil
	s.faulty.mu.Unlock()
	if s.away {
		s.file()
	}
	if s.held {
		s.pause()
	}
	inboxtest.Eventually(s.t, "nothing waits and nothing is dead", func() bool {
		s.later(time.Minute)
		letters, err := s.store.DeadLetters(ctx, inbox.DeadLetterFilter{})
		s.must(err)
		for _, l := range letters {
			if err := s.store.Retry(ctx, operator, plugin, l.Seq, l.Run); inbox.KindOf(err) != inbox.Conflict {
				s.must(err)
			}
		}
		jobs, err := s.store.Replays(ctx, plugin)
		s.must(err)
		runs, err := s.store.Runs(ctx, plugin, 0)
		s.must(err)
		rec := s.record()
		return len(letters)+len(jobs)+len(runs) == 0 && rec.Cursor == s.store.Head() && rec.Parked+rec.Retrying+rec.Ready == 0
	})
	s.stop()
}

// verify checks the laws at the end of the story.
func (s *story) verify() {
	ended := map[string]time.Time{} // per key, when the newest of its first runs settled
	for seq := int64(1); seq <= s.store.Head(); seq++ {
		tr, err := s.store.Trace(ctx, seq)
		s.must(err)
		d := tr.Deliveries[0]
		next, done := map[int64]int{}, 0
		for _, a := range d.Attempts {
			if next[a.Run]++; a.Number != next[a.Run] {
				s.rt.Errorf("event %d: attempt %d of run %d is recorded as %d", seq, next[a.Run], a.Run, a.Number)
			}
			if a.Run != 0 || a.Fate != inbox.Done {
				continue
			}
			inTurn := s.manifest.Policy.OnFailure != inbox.Continue
			if done++; inTurn && a.StartedAt.Before(ended[tr.Event.View.Key]) {
				s.rt.Errorf("event %d of %s settled in an attempt that began before its predecessor's last", seq, tr.Event.View.Key)
			}
			ended[tr.Event.View.Key] = a.StartedAt
		}
		if done != 1 && !(done == 0 && s.discarded[seq]) {
			s.rt.Errorf("event %d was settled by %d attempts (discarded: %v): %+v", seq, done, s.discarded[seq], d)
		}
	}
	for _, made := range s.jobs {
		j, err := s.store.Replay(ctx, made.ID)
		s.must(err)
		c := j.Parts[0].ReplayCount
		if s.cancelled[j.ID] {
			continue
		}
		sum := c.OK + c.Dead + c.Pending + c.Retried + c.Filtered
		// Which events failed or are missing may change until the replay reaches them, so only replays of all must match.
		adds := sum == j.Matched || j.Only != inbox.OnlyAll && sum <= j.Upto
		if j.State != inbox.ReplayDone || c.Waiting != 0 || !adds {
			s.rt.Errorf("replay %d of %d events is %s with %+v", j.ID, j.Matched, j.State, c)
		}
	}
	problems, err := s.store.Check(ctx, nil)
	s.must(err)
	for _, p := range problems {
		s.rt.Errorf("the store: %s", p)
	}
}

func (s *story) must(err error) {
	if err != nil {
		s.rt.Helper()
		s.rt.Fatalf("the store: %v", err)
	}
}
