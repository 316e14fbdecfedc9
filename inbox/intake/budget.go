package intake

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// firstRead is the number of bytes allocated for a body before its first byte arrives. A sender that only announces a
	// large body takes no more than this.
	firstRead = 32 << 10
	// smallBody is the number of bytes that a body may take from the part reserved for small bodies: 64 KiB, and the buffer
	// from which the body was copied while it grew.
	smallBody = 128 << 10
	// piece is the number of bytes that must arrive within Options.ReadTimeout: a minimum rate, and a deadline that moves.
	piece = 256 << 10
	// slowForBytes and slowForSlot are the time a piece may take before its body can be evicted for another body of the
	// same address that needs bytes, or only a slot to be read. A small body arrives with its head and is read at once, so
	// that its time may be short.
	slowForBytes = time.Second
	slowForSlot  = 100 * time.Millisecond
	// A body waits for the budget for budgetPatience, at most half of Options.ReadTimeout, and tries every budgetStep. Then
	// its sender is asked to send it again.
	budgetPatience = 10 * time.Second
	budgetStep     = 20 * time.Millisecond
)

// DefaultBodies is the default number of bodies that are read at a time.
const DefaultBodies = 128

// budget bounds the bytes of bodies in memory, and the number of bodies that are read at a time. A part of the bytes is
// reserved for small bodies, and each address gets at most a share of the rest. When a body needs bytes that others hold,
// the slowest body of the address with the most bytes is evicted. So senders that hold back the last byte cannot keep others
// out. When no body can be evicted, the new one waits. Among the bodies of one address, the body with the longest wait
// per wanted byte is served first.
type budget struct {
	size, reserved, share int64
	bodies                int

	mu      sync.Mutex
	used    int64
	waiting map[*body]struct{} // for bytes
	reading map[*body]struct{}
	holders map[netip.Addr]*holder
}

// holder is the use of the budget by the bodies of one address.
type holder struct {
	bytes   int64 // in memory
	reading int64 // bodies that are being read
	all     int64 // bodies
}

// BudgetSize returns the largest number of bytes of bodies in memory at a time, for a setting of inFlight bytes. It is never
// less than four times the largest body of a source: a body that grows or is decoded is in memory twice, and a part is
// reserved for small bodies.
func BudgetSize(sources []Source, inFlight int64) int64 {
	for _, s := range sources {
		inFlight = max(inFlight, 4*s.withDefaults().MaxBody)
	}
	return inFlight
}

func newBudget(sources []Source, inFlight int64, bodies int) *budget {
	g := &budget{size: BudgetSize(sources, inFlight), bodies: bodies, reading: map[*body]struct{}{}, waiting: map[*body]struct{}{}, holders: map[netip.Addr]*holder{}}
	g.reserved, g.share = g.size/8, g.size/2
	for _, s := range sources {
		g.share = max(g.share, 3*s.withDefaults().MaxBody)
	}
	return g
}

// startReading counts a body among those that are read. It returns false when too many are read and none can be evicted.
func (g *budget) startReading(b *body) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.join(b)
	slot := need{n: 1, has: func(h *holder) int64 { return h.reading }, patience: slowForSlot, slot: true}
	for g.readers() >= g.bodies {
		if !g.evict(b, slot) {
			return false
		}
	}
	b.of.reading++
	b.mark = time.Now()
	_ = b.deadline(b.mark.Add(b.timeout)) // a server that cannot set deadlines (a test's recorder) does without
	g.reading[b] = struct{}{}
	return true
}

// readers returns the number of bodies that are read, without those that wait for bytes.
func (g *budget) readers() int {
	n := len(g.reading)
	for b := range g.waiting {
		if _, reading := g.reading[b]; reading {
			n--
		}
	}
	return n
}

// join finds or creates the holder of a body.
func (g *budget) join(b *body) {
	if b.of != nil {
		return
	}
	b.of = g.holders[b.from]
	if b.of == nil {
		b.of = &holder{}
		g.holders[b.from] = b.of
	}
	b.of.all++
}

// stopReading removes a body from those that are read. It reports whether the body was evicted.
func (g *budget) stopReading(b *body) (evicted bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stop(b)
	return b.evicted
}

func (g *budget) stop(b *body) {
	if _, reading := g.reading[b]; reading {
		delete(g.reading, b)
		b.of.reading--
	}
}

// reserve reserves n bytes for a body. It returns false and reserves nothing when they are not free.
func (g *budget) reserve(b *body, n int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if b.evicted {
		return false
	}
	g.join(b)
	if !g.free(b, n) {
		if b.wants == 0 {
			b.since = time.Now()
		}
		b.wants = n
		g.waiting[b] = struct{}{}
		return false
	}
	g.stopWaiting(b)
	g.add(b, n)
	return true
}

// free evicts other bodies until n bytes are free for a body. It reports whether they are free.
func (g *budget) free(b *body, n int64) bool {
	if b.held+n > smallBody && g.isBehind(b, n) {
		return false
	}
	bytes := need{n: n, has: func(h *holder) int64 { return h.bytes }, patience: slowForBytes}
	for {
		fits, ownShare := g.fits(b, n)
		if fits {
			return true
		}
		bytes.own = ownShare
		if !g.evict(b, bytes) {
			return false
		}
	}
}

// isBehind reports whether another body of the same address is served first: the body with the longest wait per wanted byte.
func (g *budget) isBehind(b *body, n int64) bool {
	now := time.Now()
	ratio := func(v *body, wants int64) float64 {
		if v.wants == 0 {
			return 0
		}
		return float64(now.Sub(v.since)) / float64(wants)
	}
	own := ratio(b, n)
	for v := range g.waiting {
		if v != b && v.of == b.of && ratio(v, v.wants) > own {
			return true
		}
	}
	return false
}

func (g *budget) stopWaiting(b *body) {
	b.wants = 0
	delete(g.waiting, b)
}

// keepWaiting moves the read deadline of a body that waits for the budget, since its sender is not the cause. It returns
// false when the body was evicted or its time to wait is over.
func (g *budget) keepWaiting(b *body, end time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if b.evicted || !now.Before(end) {
		g.stopWaiting(b)
		return false
	}
	if _, reading := g.reading[b]; reading {
		b.mark = now
		_ = b.deadline(now.Add(b.timeout))
	}
	return true
}

// fits reports whether a body can get n more bytes. If not, ownShare reports whether the share of its address is used up.
func (g *budget) fits(b *body, n int64) (fits, ownShare bool) {
	if b.held+n <= smallBody {
		return g.used+n <= g.size, false
	}
	if b.of.bytes+n > g.share {
		return false, true
	}
	return g.used+n <= g.size-g.reserved, false
}

func (g *budget) add(b *body, n int64) {
	g.used += n
	b.held += n
	b.of.bytes += n
}

// giveBack returns n bytes of a body to the budget.
func (g *budget) giveBack(b *body, n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.add(b, -min(n, b.held))
}

// release returns all bytes and the slot of a body to the budget.
func (g *budget) release(b *body) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if b.of == nil {
		return
	}
	g.stop(b)
	g.stopWaiting(b)
	g.add(b, -b.held)
	if b.of.all--; b.of.all == 0 {
		delete(g.holders, b.from)
	}
	b.of = nil
}

// need is a body's demand for bytes or for a slot.
type need struct {
	n        int64
	has      func(*holder) int64 // the amount that an address holds
	slot     bool                // the demand is for a slot; a body that waits for bytes occupies none
	own      bool                // only bodies of the same address may be evicted
	patience time.Duration       // the time for a piece of a body of the same address
}

// evict ends the reading of another body in favour of b, and reports whether it found one. The bytes of the evicted body count as
// free at once. Its goroutine drops them when its read fails with a timeout.
func (g *budget) evict(b *body, want need) bool {
	slow := time.Now().Add(-want.patience)
	var last *body
	for v := range g.reading {
		switch {
		case v == b, want.own && v.of != b.of, want.slot && v.wants > 0:
		case !v.mark.Before(slow) && (v.of == b.of || want.has(v.of) <= want.has(b.of)+want.n):
		case last == nil || evictBefore(v, last, slow, want.has):
			last = v
		}
	}
	if last == nil {
		return false
	}
	g.stop(last)
	g.stopWaiting(last)
	g.add(last, -last.held)
	last.evicted = true
	_ = last.deadline(time.Unix(1, 0)) // ends its read
	return true
}

// evictBefore reports whether v is evicted rather than w: first a slow body, then a body of the address that holds more, then
// the body whose current piece takes longer.
func evictBefore(v, w *body, slow time.Time, has func(*holder) int64) bool {
	if a, b := v.mark.Before(slow), w.mark.Before(slow); a != b {
		return a
	}
	if a, b := has(v.of), has(w.of); a != b {
		return a > b
	}
	return v.mark.Before(w.mark)
}

// progressed moves the deadline of a body when a piece is complete.
func (g *budget) progressed(b *body) {
	if len(b.bytes)-b.marked < piece {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if b.evicted {
		return
	}
	b.mark, b.marked = time.Now(), len(b.bytes)
	_ = b.deadline(b.mark.Add(b.timeout))
}
