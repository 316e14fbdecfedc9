package intake

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How much of what one address fails to sign is kept: a burst and then a trickle, counted in pieces of 64 KiB. What
// another secret could admit is given far more room than what none ever will: with a mistyped secret it is everything
// that QoreID sends.
const (
	strikePiece  = 64 << 10
	strikeMemory = 4096 // addresses remembered for sure; up to twice as many are
)

// strikes limits how many failed signatures of one address are written to the disk. It never limits what is signed.
type strikes struct {
	mu       sync.Mutex
	now, old map[strikeKey]*rate.Limiter // old is what now was before it was full
}

type strikeKey struct {
	address   netip.Addr
	couldPass bool
}

func newStrikes() *strikes { return &strikes{now: map[strikeKey]*rate.Limiter{}} }

// allow reports whether a refused body of that size is to be kept.
func (s *strikes) allow(address netip.Addr, couldPass bool, size int, at time.Time) bool {
	if address.Is6() { // whoever has one address has a whole /64
		prefix, _ := address.Prefix(64) // of an IPv6 address there is one
		address = prefix.Addr()
	}
	l := s.limiter(strikeKey{address, couldPass})
	return l.AllowN(at, min(1+size/strikePiece, l.Burst()))
}

func (s *strikes) limiter(key strikeKey) *rate.Limiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.now[key]
	if l != nil {
		return l
	}
	if l = s.old[key]; l == nil {
		if l = rate.NewLimiter(1, 100); key.couldPass {
			l = rate.NewLimiter(20, 2000)
		}
	}
	if len(s.now) >= strikeMemory {
		s.now, s.old = map[strikeKey]*rate.Limiter{}, s.now
	}
	s.now[key] = l
	return l
}
