package host

import (
	"testing"
	"time"
)

func TestTheMonotonicClockNeverGoesBackWhileTheWallClockFollowsTheEvents(t *testing.T) {
	t.Parallel()
	w := newWorld("release")
	last := w.steady()
	for _, received := range []time.Time{time.Unix(2e9, 0), time.Unix(1e9, 0)} { // the second event is older
		w.startEvent(Call{ReceivedAt: received})
		w.sleep(int64(time.Minute))
		w.sleep(1<<63 - 1)
		now := w.steady()
		if now <= last {
			t.Errorf("steady went from %d to %d", last, now)
		}
		last = now
		if sec, _ := w.wall(); sec < received.Unix()+60 {
			t.Errorf("the clock shows %d after a minute's sleep from %d", sec, received.Unix())
		}
	}
}
