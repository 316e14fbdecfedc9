package intake

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How many failed signatures of one address are kept: a burst, as when a secret is mistyped, then a trickle.
const (
	strikeBurst  = 100
	strikeRate   = rate.Limit(1)
	strikeMemory = 4096 // addresses remembered
)

// strikes limits how many failed signatures of one address are written to the disk. It never limits what is signed.
type strikes struct {
	mu   sync.Mutex
	seen map[string]*rate.Limiter
}

func newStrikes() *strikes { return &strikes{seen: map[string]*rate.Limiter{}} }

func (s *strikes) allow(address string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.seen[address]
	if l == nil {
		if len(s.seen) >= strikeMemory {
			clear(s.seen) // an attacker with so many addresses gains a burst for each
		}
		l = rate.NewLimiter(strikeRate, strikeBurst)
		s.seen[address] = l
	}
	return l.AllowN(now, 1)
}
