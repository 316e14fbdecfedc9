package host

import (
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental"
)

// memory is the linear memory of one instance, bounded. wazero's own bound is one for a whole runtime, and does not
// tell that a guest ran into it.
type memory struct {
	pool    *pool
	limit   uint64
	buf     []byte      // nil until the guest has memory
	used    uint64      // how much of it the guest has
	refused atomic.Bool // the guest asked for more than the limit
}

// Allocate returns the memory itself: an instance has one.
func (m *memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate returns the memory with the new size, nil when that is more than the limit or than the system has.
func (m *memory) Reallocate(size uint64) []byte {
	if size > m.limit {
		m.refused.Store(true)
		return nil
	}
	if size > uint64(len(m.buf)) && !m.grow(size) {
		return nil
	}
	m.used = max(m.used, size)
	return m.buf[:size:size]
}

// grow makes the room at least so large.
func (m *memory) grow(size uint64) bool {
	if fixed {
		m.buf = m.pool.get(m.limit)
		return m.buf != nil
	}
	// Doubling, so that a guest that grows page by page does not copy its memory each time.
	room := reserve(min(max(size, 2*uint64(len(m.buf))), m.limit))
	copy(room, m.buf)
	m.buf = room
	return room != nil
}

// Free does nothing: wazero may call it while the guest's last call is still to return, or not at all.
func (m *memory) Free() {}

// release gives the memory back. The guest must have ended.
func (m *memory) release() {
	if m.buf != nil {
		m.pool.put(m.buf, m.used)
	}
	m.buf, m.used = nil, 0
}

// pool keeps memories for the instances to come, where they have their full length from the start: making one takes
// longer than many a guest runs.
type pool struct {
	mu     sync.Mutex
	free   map[uint64][][]byte // by length
	count  int
	closed bool
}

// mostFree bounds the memories that are kept. They are empty: what they take is a place in the address space.
const mostFree = 32

func newPool() *pool { return &pool{free: map[uint64][][]byte{}} }

// take returns a memory full of zeros, nil when the system has none.
func (p *pool) get(size uint64) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.free[size]
	if len(list) == 0 {
		return reserve(size)
	}
	p.free[size] = list[:len(list)-1]
	p.count--
	return list[len(list)-1]
}

// give takes a memory back of which so many bytes were used.
func (p *pool) put(room []byte, used uint64) {
	clean := wipe(room[:used])
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !clean || p.count >= mostFree {
		unreserve(room)
		return
	}
	size := uint64(len(room))
	p.free[size] = append(p.free[size], room)
	p.count++
}

// close gives back what is free, and what is given from now on.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for size, list := range p.free {
		for _, room := range list {
			unreserve(room)
		}
		delete(p.free, size)
	}
	p.count = 0
}
