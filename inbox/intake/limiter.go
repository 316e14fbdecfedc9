package intake

import (
	"hash/maphash"
	"math"
	"net/netip"
	"sync"
	"time"

	"inbox/inbox"
)

// Bounds for reading and keeping a request without a well-formed signature. No secret will ever match it. It is kept so that
// the operator can find the mistake. A whole one also serves the case that the header's name or the algorithm is set wrong.
const (
	unsignedWhole  = 64 << 10 // larger bodies are not kept whole
	unsignedPrefix = 4 << 10  // the bytes of them that are kept
)

// largeBody is the size above which refused bodies have an allowance of their own, so that they take nothing from small ones.
const largeBody = 64 << 10

const (
	requestCost   = 1 << 10 // bytes that a request costs in addition to its body
	limiterMemory = 4096    // addresses and senders that are remembered at least; at most twice this number
	shareFactor   = 4       // an address may use this multiple of the unused rest; alone it gets 4/5 of an allowance
)

// rateLimiter bounds the bytes of refused requests that are written to the disk. It never limits signed webhooks. Each
// allowance is shared like the buffer of a switch with dynamic thresholds (Choudhury and Hahne, "Dynamic Queue Length
// Thresholds for Shared-Memory Packet Switches", 1998): an address may use a multiple of the unused rest. So a single address
// gets nearly everything, several addresses get equal parts, and a later one still finds an unused rest. Within an address
// the same rule applies to its senders, which are told apart by their User-Agent.
type rateLimiter struct {
	mu         sync.Mutex
	seed       maphash.Seed
	allowances [3]*allowance // see allowanceOf
}

// allowance is the number of bytes that may be written in a burst. Written bytes are forgotten over time.
type allowance struct {
	bytes    float64
	forget   time.Duration // after this time 1/e of the written bytes still counts
	used     gauge
	now, old map[limitKey]*gauge // old holds the gauges of now from before it was full
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
		made(16<<20, time.Minute), made(128<<20, time.Minute), made(112<<20, 4*time.Minute), // from the last two one sender alone gets the bytes of a whole quarantine
	}}
}

// allowanceOf returns the allowance for a request: unsigned, signed and small, or signed and large.
func (l *rateLimiter) allowanceOf(why string, size int) *allowance {
	switch {
	case !inbox.CouldPass(why):
		return l.allowances[0]
	case size <= largeBody:
		return l.allowances[1]
	}
	return l.allowances[2]
}

// allow reports whether a refused body of size bytes may be kept, and if so counts it.
func (l *rateLimiter) allow(address netip.Addr, agent, why string, size int, at time.Time) bool {
	if address.Is6() { // a sender with one address has a whole /64
		prefix, _ := address.Prefix(64) // an IPv6 address always has one
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

// fade reduces a gauge to its amount at a time, and returns it.
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

// keptOf returns the part of a refused body that is kept, and the size of the whole body. The size is the announced one when the
// body was not read to its end.
func keptOf(why string, body []byte, announced int64) (kept []byte, whole int) {
	whole = max(len(body), int(min(announced, math.MaxInt32)))
	if inbox.CouldPass(why) || whole <= unsignedWhole {
		return body, whole
	}
	return body[:min(len(body), unsignedPrefix)], whole
}
