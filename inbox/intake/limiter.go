package intake

import (
	"hash/maphash"
	"math"
	"net/netip"
	"sync"
	"time"

	"inbox/inbox"
)

// Bounds of what of a request without a well-formed signature is read and kept. No secret will ever admit it; it is kept to
// find out what is wrong, and, where it is whole, for the case that the name of the header or the algorithm is set wrong.
const (
	unsignedWhole  = 64 << 10 // larger bodies are not kept whole
	unsignedPrefix = 4 << 10  // what is kept of them
)

// largeBody is the size from which refused bodies have a budget of their own, so that they take none from small ones.
const largeBody = 64 << 10

const (
	requestCost   = 1 << 10 // bytes that a request costs beside its body
	limiterMemory = 4096    // addresses and senders remembered for sure; up to twice as many are
	shareFactor   = 4       // an address may have so many times what is left; alone it gets 4/5 of a budget
)

// strikes bound how many bytes of refused requests are written to the disk. They never limit what is signed. Each budget is
// shared like the buffer of a switch with dynamic thresholds (Choudhury and Hahne, "Dynamic Queue Length Thresholds for
// Shared-Memory Packet Switches", 1998): an address may use what is left several times over, so a single one gets nearly
// all, several the same each, and one that comes later finds something left. Within an address the same holds for its
// senders, told apart by their User-Agent.
type rateLimiter struct {
	mu         sync.Mutex
	seed       maphash.Seed
	allowances [3]*allowance // see budgetOf
}

// budget is what may be written in bursts. What was written is forgotten over its time.
type allowance struct {
	bytes    float64
	forget   time.Duration // after which 1/e of what was written still counts
	used     gauge
	now, old map[limitKey]*gauge // old is what now was before it was full
}

type limitKey struct {
	address netip.Addr
	agent   uint64 // zero: all of the address
}

// gauge is an amount that fades.
type gauge struct {
	amount float64
	at     time.Time
}

func newRateLimiter() *rateLimiter {
	made := func(bytes float64, forget time.Duration) *allowance {
		return &allowance{bytes: bytes, forget: forget, now: map[limitKey]*gauge{}}
	}
	return &rateLimiter{seed: maphash.MakeSeed(), allowances: [3]*allowance{
		made(16<<20, time.Minute), made(128<<20, time.Minute), made(112<<20, 4*time.Minute), // of the last two one sender alone gets the bytes of a whole quarantine
	}}
}

// budgetOf chooses the budget of a request: unsigned, signed and small, signed and large.
func (l *rateLimiter) allowanceOf(why string, size int) *allowance {
	switch {
	case !inbox.CouldPass(why):
		return l.allowances[0]
	case size <= largeBody:
		return l.allowances[1]
	}
	return l.allowances[2]
}

// allow reports whether a refused body of that size is to be kept, and if so counts it.
func (l *rateLimiter) allow(address netip.Addr, agent, why string, size int, at time.Time) bool {
	if address.Is6() { // whoever has one address has a whole /64
		prefix, _ := address.Prefix(64) // of an IPv6 address there is one
		address = prefix.Addr()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.allowanceOf(why, size)
	cost := min(float64(requestCost+size), b.bytes/8)
	whole, sender := b.gauge(limitKey{address: address}), b.gauge(limitKey{address, maphash.String(l.seed, agent) | 1})
	const alone = shareFactor / (shareFactor + 1.0)
	used, ofAddress := b.used.fade(at, b.forget), whole.fade(at, b.forget)
	if used+cost > b.bytes || ofAddress+cost > shareFactor*(b.bytes-used) ||
		sender.fade(at, b.forget)+cost > shareFactor*(b.bytes*alone-ofAddress) {
		return false
	}
	for _, g := range []*gauge{&b.used, whole, sender} {
		g.amount += cost
	}
	return true
}

// fade brings a gauge up to a time and returns its amount.
func (g *gauge) fade(at time.Time, forget time.Duration) float64 {
	if passed := at.Sub(g.at); passed > 0 {
		g.amount *= math.Exp(-passed.Seconds() / forget.Seconds())
		g.at = at
	}
	return g.amount
}

func (b *allowance) gauge(key limitKey) *gauge {
	g := b.now[key]
	if g != nil {
		return g
	}
	if g = b.old[key]; g == nil {
		g = &gauge{}
	}
	if len(b.now) >= limiterMemory {
		b.now, b.old = map[limitKey]*gauge{}, b.now
	}
	b.now[key] = g
	return g
}

// keptOf returns what is kept of a refused body, and how large the whole is: as announced where it was not read to its end.
func keptOf(why string, body []byte, announced int64) (kept []byte, whole int) {
	whole = max(len(body), int(min(announced, math.MaxInt32)))
	if inbox.CouldPass(why) || whole <= unsignedWhole {
		return body, whole
	}
	return body[:min(len(body), unsignedPrefix)], whole
}
