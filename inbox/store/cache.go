package store

import (
	"context"
	"sync"

	"inbox/inbox"
)

// Bounds of the cache of payloads. Several plugins read each event soon after its arrival, and plugins that lag read events in
// sequence. Single reads were measured at two thirds of the cost of a delivery.
const (
	cacheBytes = 8 << 20
	cachedSize = 16 << 10 // bytes of a body; larger payloads are not cached
	cacheAhead = 64       // seqs of one read ahead
	cacheNear  = 2 * cacheAhead
	cacheEntry = 512 // bytes of overhead of a payload
)

// cache holds the payloads that were stored or read last, up to cacheBytes. The oldest are evicted first.
type cache struct {
	mu     sync.Mutex
	bodies map[int64]inbox.Payload
	order  []int64 // seqs, in the order of put
	bytes  int
	missed int64 // the seq of the last miss
}

// placed is a payload and its seq.
type placed struct {
	seq     int64
	payload inbox.Payload
}

func newCache() *cache { return &cache{bodies: map[int64]inbox.Payload{}} }

// weight estimates the memory of a payload in bytes: the body, the overhead of maps and slices, and the headers three times (decoded,
// packed with the body, and in the buffer of the request). A count of the bodies alone let small ones take five times the bound.
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

// put adds a payload of up to cachedSize bytes. Its bytes must not be changed afterwards.
func (c *cache) put(seq int64, p inbox.Payload) {
	n := weight(&p)
	if len(p.Body) > cachedSize {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, cached := c.bodies[seq]; cached {
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

// isNearLastMiss reports whether seq is less than cacheNear from the seq of the last miss, and stores seq as the last miss.
func (c *cache) isNearLastMiss(seq int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	near := seq > c.missed-cacheNear && seq < c.missed+cacheNear
	c.missed = seq
	return near
}

// readAhead caches the small payloads of the next cacheAhead seqs from seq on, if seq is near the last miss. It skips damaged and
// purged payloads: a read of such a payload alone returns the error.
func (s *Store) readAhead(ctx context.Context, seq int64) error {
	if !s.cache.isNearLastMiss(seq) {
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
