package operator

import (
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	maxFailures  = 20          // wrong tokens of one address in a minute that are looked up
	maxAddresses = 1024        // that are counted apart; the others share one count
	failureSpan  = time.Minute // in which failures are counted together
)

// failures counts the wrong tokens of each address in the present minute. The zero value counts from the first call on.
type failures struct {
	mu    sync.Mutex
	until time.Time
	of    map[netip.Addr]int
}

// full reports whether an address has shown too many wrong tokens in this minute.
func (f *failures) full(from netip.Addr, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turn(now)
	return f.of[f.place(from)] >= maxFailures
}

// add counts a wrong token and reports whether it is the first of its address in this minute.
func (f *failures) add(from netip.Addr, now time.Time) (first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turn(now)
	at := f.place(from)
	f.of[at]++
	return f.of[at] == 1
}

// left returns the rest of this minute.
func (f *failures) left(now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return max(f.until.Sub(now), 0)
}

// turn begins a new minute when the present one has passed, or when the clock stepped back. The caller holds mu.
func (f *failures) turn(now time.Time) {
	if now.Before(f.until) && f.until.Sub(now) <= failureSpan {
		return
	}
	f.until, f.of = now.Add(failureSpan), map[netip.Addr]int{}
}

// place returns the address under which an address is counted. The caller holds mu.
func (f *failures) place(from netip.Addr) netip.Addr {
	if _, ok := f.of[from]; !ok && len(f.of) >= maxAddresses {
		return netip.Addr{}
	}
	return from
}

// addressOf returns the address of a client: of IPv6 the network of 64 bits, since a client has all of it. It returns the zero
// address for a request without one.
func addressOf(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	from := at.Addr().Unmap().WithZone("")
	if from.Is6() {
		if p, err := from.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return from
}
