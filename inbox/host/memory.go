package host

import (
	"slices"
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental"
)

// memory is the linear memory of one instance, bounded. wazero's own bound is one for a whole runtime, and does not
// tell that a guest ran into it.
type memory struct {
	limit   uint64
	buf     []byte
	refused atomic.Bool // the guest asked for more than the limit
}

// Allocate returns the memory itself: an instance has one.
func (m *memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate returns the memory with the new size, nil when that is more than the limit.
func (m *memory) Reallocate(size uint64) []byte {
	if size > m.limit {
		m.refused.Store(true)
		return nil
	}
	if size > uint64(cap(m.buf)) {
		// Doubling, so that a guest that grows page by page does not copy its memory each time.
		m.buf = slices.Grow(m.buf, int(min(max(size, 2*uint64(cap(m.buf))), m.limit))-len(m.buf))
	}
	m.buf = m.buf[:size]
	return m.buf
}

// Free lets go of the memory.
func (m *memory) Free() { m.buf = nil }
