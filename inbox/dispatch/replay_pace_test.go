package dispatch

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"inbox/inbox"
)

func TestAReplayWithARateAdmitsNoMoreThanItsShare(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		j := newReplay(&inbox.Replay{Rate: rapid.Float64Range(0.5, 5000).Draw(t, "rate"), Plugins: make([]string, rapid.IntRange(1, 4).Draw(t, "plugins"))}, 0, nil)
		now, end := time.Unix(1000, 0), time.Unix(1060, 0)
		admitted := 0
		for now.Before(end) {
			n := j.allowed(now)
			j.pace(now, n)
			admitted += n
			now = now.Add(time.Duration(rapid.IntRange(1, 2000).Draw(t, "ms")) * time.Millisecond)
		}
		if bound := 60*j.share() + max(1, j.share()/10); float64(admitted) > bound+1 {
			t.Fatalf("%d runs in a minute at %.1f a second", admitted, j.share())
		}
	})
}

func TestAReplayCountsAnEventThatItSkipsWhenItsPositionPassesTheEvent(t *testing.T) {
	t.Parallel()
	j := newReplay(&inbox.Replay{Upto: 9}, 0, nil)
	j.window.open(1)
	j.skip(2, inbox.ReplayCount{Filtered: 1})
	j.skip(3, inbox.ReplayCount{Pending: 1})
	j.scanned = 3
	step := &inbox.ReplayStep{}
	if j.move(step) || step.Add != (inbox.ReplayCount{}) {
		t.Errorf("before the first run ended: %+v", step)
	}
	j.left(&item{event: &inbox.Event{Seq: 1}}, false, inbox.Again, step)
	if want := (inbox.ReplayCount{Filtered: 1, Pending: 1}); step.Position != 3 || step.Add != want || j.retrying != 1 {
		t.Errorf("after it went on to a row of its own: %+v, %d retrying", step, j.retrying)
	}
	again := &inbox.ReplayStep{}
	if j.left(&item{event: &inbox.Event{Seq: 1}}, true, inbox.Done, again); again.Position != 0 || j.retrying != 0 {
		t.Errorf("after its retry: %+v, %d retrying", again, j.retrying)
	}
}

// A retried event leaves no run of the replay behind, so its retry and the position that passes it are one commit.
func TestAReplayHoldsBeforeADeadEventWhileAnEarlierOneIsOpen(t *testing.T) {
	t.Parallel()
	j := newReplay(&inbox.Replay{Upto: 9}, 0, nil)
	j.window.open(1)
	if !j.hold(2) || j.searching() {
		t.Error("it goes on although an earlier event is open")
	}
	j.window.settle(1)
	step := &inbox.ReplayStep{}
	if j.hold(2) || !j.move(step) || step.Position != 2 {
		t.Errorf("it does not pass the event: %+v", step)
	}
}
