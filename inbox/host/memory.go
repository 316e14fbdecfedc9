package host

import (
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental"
)

// memory is the bounded linear memory of one instance. wazero's own bound applies to a whole runtime, and does not tell that a
// guest reached it.
type memory struct {
	pool    *pool
	limit   uint64
	buf     []byte      // nil until the guest has memory
	used    uint64      // the size that the guest has reached
	refused atomic.Bool // the guest asked for more than the limit
}

// Allocate returns the memory itself, because an instance has only one.
func (m *memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate returns the memory at a new size, nil if the size exceeds the limit or the system has no memory.
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

// grow makes the buffer at least size bytes long.
func (m *memory) grow(size uint64) bool {
	if fixed {
		m.buf = m.pool.get(m.limit)
		return m.buf != nil
	}
	// Doubling avoids a copy at every step of a guest that grows page by page.
	buf := reserve(min(max(size, 2*uint64(len(m.buf))), m.limit))
	copy(buf, m.buf)
	m.buf = buf
	return buf != nil
}

// Free does nothing: wazero may call it before the guest's last call has returned, or never.
func (m *memory) Free() {}

// release returns the memory to the pool. The guest must have ended.
func (m *memory) release() {
	if m.buf != nil {
		m.pool.put(m.buf, m.used)
	}
	m.buf, m.used = nil, 0
}

// pool keeps memories of full length for later instances: mapping one takes longer than many guests run.
type pool struct {
	mu     sync.Mutex
	free   map[uint64][][]byte // by length
	count  int
	closed bool
}

// mostFree is the largest number of kept memories. They are empty and take only address space.
const mostFree = 32

func newPool() *pool { return &pool{free: map[uint64][][]byte{}} }

// get returns a zeroed memory, nil when the system has none.
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

// put takes back a memory whose first used bytes were written.
func (p *pool) put(buf []byte, used uint64) {
	clean := wipe(buf[:used])
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !clean || p.count >= mostFree {
		unreserve(buf)
		return
	}
	size := uint64(len(buf))
	p.free[size] = append(p.free[size], buf)
	p.count++
}

// close releases the kept memories. Later ones are released at once.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for size, list := range p.free {
		for _, buf := range list {
			unreserve(buf)
		}
		delete(p.free, size)
	}
	p.count = 0
}
