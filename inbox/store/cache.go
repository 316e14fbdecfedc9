package store

import (
	"context"
	"sync"

	"inbox/inbox"
)

// Bounds of the payloads that are kept in memory. Several plugins ask for each event soon after it came, and those that
// are behind ask for one after the other: reading them one by one was measured at two thirds of what a delivery cost.
const (
	cacheBytes = 8 << 20
	cachedSize = 16 << 10 // larger ones are read when they are needed
	cacheAhead = 64       // payloads read at a time when they are asked for one after the other
	cacheNear  = 2 * cacheAhead
	cacheEntry = 512 // bytes that one takes beside its body and headers
)

// cache keeps the payloads that were stored or read last, up to a bound of bytes; the oldest are evicted first.
type cache struct {
	mu     sync.Mutex
	bodies map[int64]inbox.Payload
	order  []int64 // seqs, in the order in which they came
	bytes  int
	missed int64 // the seq that was last asked for and not there
}

// placed is a payload and its position.
type placed struct {
	seq     int64
	payload inbox.Payload
}

func newCache() *cache { return &cache{bodies: map[int64]inbox.Payload{}} }

// weight is about what a payload takes of memory: beside its body, its headers as they are, packed with the body, and as
// the part of a request that they were cut from, and what the maps and slices around it need. Counting bodies alone let
// small ones take five times the bound.
func weight(p *inbox.Payload) int {
	headers := 0
	for _, h := range p.Headers {
		headers += len(h.Name) + len(h.Value)
	}
	return len(p.Body) + 3*headers + cacheEntry
}

func (c *cache) get(seq int64) (inbox.Payload, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.bodies[seq]
	return p, ok
}

// put keeps a payload, whose bytes nobody may change any more.
func (c *cache) put(seq int64, p inbox.Payload) {
	n := weight(&p)
	if len(p.Body) > cachedSize {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.bodies[seq]; known {
		return
	}
	c.bodies[seq] = p
	c.order = append(c.order, seq)
	for c.bytes += n; c.bytes > cacheBytes; {
		oldest := c.bodies[c.order[0]]
		c.bytes -= weight(&oldest)
		delete(c.bodies, c.order[0])
		c.order = c.order[1:]
	}
}

// runs reports whether seq is less than cacheNear from the last seq that was missing, and stores seq as the last.
func (c *cache) runs(seq int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	near := seq > c.missed-cacheNear && seq < c.missed+cacheNear
	c.missed = seq
	return near
}

// readAhead reads the small payloads from seq on, if seq is near the last missing one. It skips damaged and purged payloads:
// reading one alone reports the error.
func (s *Store) readAhead(ctx context.Context, seq int64) error {
	if !s.cache.runs(seq) {
		return nil
	}
	return s.each(ctx, `SELECT e.seq, `+contentColumns("c")+` FROM events e JOIN contents c ON c.id = e.content_id
		WHERE e.seq >= ? AND e.seq < ? AND e.size <= ?`, []any{seq, seq + cacheAhead, cachedSize}, func(row scanner) error {
		var at int64
		var c content
		if err := row.Scan(append([]any{&at}, c.into()...)...); err != nil {
			return err
		}
		if p, err := c.payload(); err == nil {
			s.cache.put(at, p)
		}
		return nil
	})
}
