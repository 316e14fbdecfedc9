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
	slowForTurn  = 100 * time.Millisecond
	// How long a body waits for room before its sender is asked to send it again, at most half of Options.ReadTimeout, and how
	// often it looks for some.
	roomPatience = 10 * time.Second
	roomStep     = 20 * time.Millisecond
)

// DefaultBodies is how many bodies are read at a time, unless Options say otherwise.
const DefaultBodies = 128

// room bounds the bytes of bodies in memory, and how many bodies are read at a time. A part of the bytes is kept for small
// bodies, and an address has at most a share of the rest. When a body needs room that others have, the slowest body of the
// address that has most gives way, so that senders who hold back the last byte cannot keep others out. When none may give
// way, it waits: of the bodies of one address the one that has waited longest for what it wants comes first.
type room struct {
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

func newRoom(sources []Source, inFlight int64, bodies int) *room {
	r := &room{size: RoomSize(sources, inFlight), bodies: bodies, reading: map[*body]struct{}{}, waiting: map[*body]struct{}{}, holders: map[netip.Addr]*holder{}}
	r.reserved, r.share = r.size/8, r.size/2
	for _, s := range sources {
		r.share = max(r.share, 3*s.withDefaults().MaxBody)
	}
	return r
}

// enter makes a body one of those that are read, or returns false when there are too many.
func (r *room) enter(b *body) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.join(b)
	turn := need{n: 1, has: func(h *holder) int64 { return h.reading }, patience: slowForTurn, turn: true}
	for r.turns() >= r.bodies {
		if !r.makeWay(b, turn) {
			return false
		}
	}
	b.of.reading++
	b.mark = time.Now()
	_ = b.deadline(b.mark.Add(b.timeout)) // a server that cannot set deadlines (a test's recorder) does without
	r.reading[b] = struct{}{}
	return true
}

// turns returns how many bodies are read, those that wait for bytes left out.
func (r *room) turns() int {
	n := len(r.reading)
	for b := range r.waiting {
		if _, reading := r.reading[b]; reading {
			n--
		}
	}
	return n
}

// join finds the holder of a body.
func (r *room) join(b *body) {
	if b.of != nil {
		return
	}
	b.of = r.holders[b.from]
	if b.of == nil {
		b.of = &holder{}
		r.holders[b.from] = b.of
	}
	b.of.all++
}

// leave takes a body out of those that are read. It reports whether it had to give way.
func (r *room) leave(b *body) (gaveWay bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop(b)
	return b.gaveWay
}

func (r *room) stop(b *body) {
	if _, reading := r.reading[b]; reading {
		delete(r.reading, b)
		b.of.reading--
	}
}

// take takes n bytes for a body, or nothing when there are none left.
func (r *room) take(b *body, n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b.gaveWay {
		return false
	}
	r.join(b)
	if !r.free(b, n) {
		if b.wants == 0 {
			b.since = time.Now()
		}
		b.wants = n
		r.waiting[b] = struct{}{}
		return false
	}
	r.waitsNoMore(b)
	r.add(b, n)
	return true
}

// free makes n bytes free for a body, and reports whether they are.
func (r *room) free(b *body, n int64) bool {
	if b.held+n > smallBody && r.isBehind(b, n) {
		return false
	}
	bytes := need{n: n, has: func(h *holder) int64 { return h.bytes }, patience: slowForBytes}
	for {
		fits, ownShare := r.fits(b, n)
		if fits {
			return true
		}
		bytes.own = ownShare
		if !r.makeWay(b, bytes) {
			return false
		}
	}
}

// isBehind reports whether another body of the same address comes first: the one that has waited longest for what it wants.
func (r *room) isBehind(b *body, n int64) bool {
	now := time.Now()
	ratio := func(v *body, wants int64) float64 {
		if v.wants == 0 {
			return 0
		}
		return float64(now.Sub(v.since)) / float64(wants)
	}
	own := ratio(b, n)
	for v := range r.waiting {
		if v != b && v.of == b.of && ratio(v, v.wants) > own {
			return true
		}
	}
	return false
}

func (r *room) waitsNoMore(b *body) {
	b.wants = 0
	delete(r.waiting, b)
}

// waits notes that it is not its sender for which a body does not come on. It is false when the body has given way, or its time
// to wait is over.
func (r *room) waits(b *body, end time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if b.gaveWay || !now.Before(end) {
		r.waitsNoMore(b)
		return false
	}
	if _, reading := r.reading[b]; reading {
		b.mark = now
		_ = b.deadline(now.Add(b.timeout))
	}
	return true
}

// fits reports whether a body can have n bytes more, and if not, whether it is the share of its address that is used up.
func (r *room) fits(b *body, n int64) (fits, ownShare bool) {
	if b.held+n <= smallBody {
		return r.used+n <= r.size, false
	}
	if b.of.bytes+n > r.share {
		return false, true
	}
	return r.used+n <= r.size-r.reserved, false
}

func (r *room) add(b *body, n int64) {
	r.used += n
	b.held += n
	b.of.bytes += n
}

// give gives n bytes of a body back.
func (r *room) give(b *body, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(b, -min(n, b.held))
}

// release gives back all that a body has.
func (r *room) release(b *body) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b.of == nil {
		return
	}
	r.stop(b)
	r.waitsNoMore(b)
	r.add(b, -b.held)
	if b.of.all--; b.of.all == 0 {
		delete(r.holders, b.from)
	}
	b.of = nil
}

// need is what a body needs.
type need struct {
	n        int64
	has      func(*holder) int64 // how much of it an address has
	turn     bool                // a turn to be read, which a body that waits for bytes does not have
	own      bool                // only bodies of the same address may give way
	patience time.Duration       // with a piece of a body of the same address
}

// makeWay ends the reading of another body for one that needs something, and reports whether it found one. Its bytes count as
// free at once; its goroutine lets go of them as soon as it sees that its connection's time is up.
func (r *room) makeWay(b *body, want need) bool {
	slow := time.Now().Add(-want.patience)
	var last *body
	for v := range r.reading {
		switch {
		case v == b, want.own && v.of != b.of, want.turn && v.wants > 0:
		case !v.mark.Before(slow) && (v.of == b.of || want.has(v.of) <= want.has(b.of)+want.n):
		case last == nil || goesBefore(v, last, slow, want.has):
			last = v
		}
	}
	if last == nil {
		return false
	}
	r.stop(last)
	r.waitsNoMore(last)
	r.add(last, -last.held)
	last.gaveWay = true
	_ = last.deadline(time.Unix(1, 0)) // ends its read
	return true
}

// goesBefore reports whether v rather than w gives way: a slow one first, then one of the address that has more, then the one
// whose piece takes longer.
func goesBefore(v, w *body, slow time.Time, has func(*holder) int64) bool {
	if a, b := v.mark.Before(slow), w.mark.Before(slow); a != b {
		return a
	}
	if a, b := has(v.of), has(w.of); a != b {
		return a > b
	}
	return v.mark.Before(w.mark)
}

// moved gives a body time for its next piece, when one has come.
func (r *room) moved(b *body) {
	if len(b.bytes)-b.marked < piece {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if b.gaveWay {
		return
	}
	b.mark, b.marked = time.Now(), len(b.bytes)
	_ = b.deadline(b.mark.Add(b.timeout))
}
