package intake

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// firstRead is how much is made ready for a body before any of it has come. A sender who only announces a large body
	// takes no more room than this.
	firstRead = 32 << 10
	// smallBody is how much a body may take of the room that is kept for small ones: one of 64 KiB, and what it was
	// copied from while it grew.
	smallBody = 128 << 10
	// piece is how much of a body has to come within Options.ReadTimeout: a minimum rate, and a deadline that moves.
	piece = 256 << 10
	// How long a piece may take before its body gives way to another of the same address that needs bytes, or only its turn
	// to be read. A small body comes with its head and is read in no time, so that it needs no patience.
	slowForBytes = time.Second
	slowForSlot  = 100 * time.Millisecond
	// How long a body waits for room before its sender is asked to send it again, at most half of Options.ReadTimeout, and how
	// often it looks for some.
	budgetPatience = 10 * time.Second
	budgetStep     = 20 * time.Millisecond
)

// DefaultBodies is how many bodies are read at a time, unless Options say otherwise.
const DefaultBodies = 128

// room bounds the bytes of bodies in memory, and how many bodies are read at a time. A part of the bytes is kept for small
// bodies, and an address has at most a share of the rest. When a body needs room that others have, the slowest body of the
// address that has most gives way, so that senders who hold back the last byte cannot keep others out. When none may give
// way, it waits: of the bodies of one address the one that has waited longest for what it wants comes first.
type budget struct {
	size, reserved, share int64
	bodies                int

	mu      sync.Mutex
	used    int64
	waiting map[*body]struct{} // for bytes
	reading map[*body]struct{}
	holders map[netip.Addr]*holder
}

// holder is what the bodies of one address have.
type holder struct {
	bytes   int64 // in memory
	reading int64 // bodies that are being read
	all     int64 // bodies
}

// RoomSize returns how many bytes of bodies are in memory at a time at most, when inFlight are asked for. It is never less than
// four times the largest body of a source: one that grows or is decoded is in memory twice, and a part is kept for small ones.
func RoomSize(sources []Source, inFlight int64) int64 {
	for _, s := range sources {
		inFlight = max(inFlight, 4*s.withDefaults().MaxBody)
	}
	return inFlight
}

func newBudget(sources []Source, inFlight int64, bodies int) *budget {
	g := &budget{size: RoomSize(sources, inFlight), bodies: bodies, reading: map[*body]struct{}{}, waiting: map[*body]struct{}{}, holders: map[netip.Addr]*holder{}}
	g.reserved, g.share = g.size/8, g.size/2
	for _, s := range sources {
		g.share = max(g.share, 3*s.withDefaults().MaxBody)
	}
	return g
}

// enter makes a body one of those that are read, or returns false when there are too many.
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

// turns returns how many bodies are read, those that wait for bytes left out.
func (g *budget) readers() int {
	n := len(g.reading)
	for b := range g.waiting {
		if _, reading := g.reading[b]; reading {
			n--
		}
	}
	return n
}

// join finds the holder of a body.
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

// leave takes a body out of those that are read. It reports whether it had to give way.
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

// take takes n bytes for a body, or nothing when there are none left.
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

// free makes n bytes free for a body, and reports whether they are.
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

// isBehind reports whether another body of the same address comes first: the one that has waited longest for what it wants.
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

// waits notes that it is not its sender for which a body does not come on. It is false when the body has given way, or its time
// to wait is over.
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

// fits reports whether a body can have n bytes more, and if not, whether it is the share of its address that is used up.
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

// give gives n bytes of a body back.
func (g *budget) giveBack(b *body, n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.add(b, -min(n, b.held))
}

// release gives back all that a body has.
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

// need is what a body needs.
type need struct {
	n        int64
	has      func(*holder) int64 // how much of it an address has
	slot     bool                // a turn to be read, which a body that waits for bytes does not have
	own      bool                // only bodies of the same address may give way
	patience time.Duration       // with a piece of a body of the same address
}

// makeWay ends the reading of another body for one that needs something, and reports whether it found one. Its bytes count as
// free at once; its goroutine lets go of them as soon as it sees that its connection's time is up.
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

// goesBefore reports whether v rather than w gives way: a slow one first, then one of the address that has more, then the one
// whose piece takes longer.
func evictBefore(v, w *body, slow time.Time, has func(*holder) int64) bool {
	if a, b := v.mark.Before(slow), w.mark.Before(slow); a != b {
		return a
	}
	if a, b := has(v.of), has(w.of); a != b {
		return a > b
	}
	return v.mark.Before(w.mark)
}

// moved gives a body time for its next piece, when one has come.
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
