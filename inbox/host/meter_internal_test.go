package host

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// Go itself lets a goroutine work for 10 ms, and a webhook would wait for all guests that work.
func TestAGuestGivesWayWhenItHadItsTurn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	m := meter{turn: time.Now().Add(-turn)}
	var others atomic.Bool
	go others.Store(true)
	m.giveWay()
	if !others.Load() {
		t.Error("it went on")
	}
	if time.Since(m.turn) > time.Minute {
		t.Error("its next turn does not begin then")
	}
}
