package host

import (
	"math"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// Go itself preempts a goroutine only after 10 ms, and a webhook would wait for all busy guests.
func TestAGuestYieldsAfterItsTurn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	m := meter{turnBegan: time.Now().Add(-longestTurn)}
	var others atomic.Bool
	go others.Store(true)
	m.yield()
	if !others.Load() {
		t.Error("it went on")
	}
	if time.Since(m.turnBegan) > time.Minute {
		t.Error("its next turn does not begin then")
	}
}

func TestTheCountOfFuelDoesNotOverflow(t *testing.T) {
	t.Parallel()
	for _, limit := range []int64{noLimit, 1000} {
		m := meter{on: true}
		m.begin(limit)
		for range 10 {
			if ok := m.spend(math.MaxInt64 / 2); ok != (limit == noLimit) {
				t.Errorf("limit %d: it may go on: %v", limit, ok)
			}
			if got := m.total(); got <= 0 || got > mostSpent {
				t.Errorf("limit %d: %d were spent", limit, got)
			}
		}
	}
}
