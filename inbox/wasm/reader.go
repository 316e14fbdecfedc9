package wasm

import (
	"encoding/binary"
	"fmt"
	"math"
)

// reader reads the binary format (WebAssembly core specification 2.0, chapter 5). It has a method for each production of the format
// that the package reads. After an error it returns zeros and has no bytes left.
type reader struct {
	b      []byte
	err    error
	size   int      // length of b at the beginning; set where at is used
	m      *Module  // the module whose indexes are read; may be nil
	refs   []ref    // places that name functions
	width  int      // length of the last number that u32 read, in bytes
	labels []uint32 // of the last br_table
}

// ref is a place where a function is named by its index.
type ref struct {
	at, end int
	index   uint64
}

// at returns how many bytes of b were read.
func (r *reader) at() int { return r.size - len(r.b) }

func (r *reader) fail() { r.stop(&damage{what: cutOff, left: len(r.b)}) }

// refuse stops reading with a reason.
func (r *reader) refuse(format string, args ...any) { r.stop(fmt.Errorf(format, args...)) }

// stop keeps the first error and drops the remaining bytes.
func (r *reader) stop(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	b := r.b[0]
	r.b = r.b[1:]
	return b
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// u32 reads an unsigned 32-bit LEB128 number.
func (r *reader) u32() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 5 || v > math.MaxUint32 {
		r.fail()
		return 0
	}
	r.b, r.width = r.b[n:], n
	return v
}

// index reads an index into a space of n entries of a kind.
func (r *reader) index(n uint64, kind string) uint64 {
	i := r.u32()
	r.checkIndex(i, n, kind)
	return i
}

// checkIndex refuses an index that is not below n.
func (r *reader) checkIndex(i, n uint64, kind string) {
	if r.err == nil && i >= n {
		r.refuse("the module is damaged: it names the %s %d and has %d", kind, i, n)
	}
}

// function reads a function index.
func (r *reader) function() { r.reference(r.u32()) }

// reference records the place of the function index that was read last.
func (r *reader) reference(i uint64) {
	r.checkIndex(i, uint64(len(r.m.imports)+len(r.m.typeOf)), "function")
	end := r.at()
	r.refs = append(r.refs, ref{end - r.width, end, i})
}

// skipLEB skips a signed LEB128 number of at limit limit bytes. The validation checks whether it fits its type.
func (r *reader) skipLEB(limit int) {
	for range limit {
		if r.byte() < 0x80 {
			return
		}
	}
	r.fail()
}

// count reads the length of a vector. Every element takes at least one byte, so a length beyond the remaining bytes is an
// error.
func (r *reader) count() int {
	n := r.u32()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

// limits reads the limits of a table or memory. Without a maximum, high is the largest 32-bit number.
func (r *reader) limits() (flag byte, low, high uint64) {
	flag = r.byte()
	low, high = r.u32(), math.MaxUint32
	if flag&1 == 1 {
		high = r.u32()
	}
	return flag, low, high
}

// done returns the error. Remaining bytes are an error too.
func (r *reader) done() error {
	if r.err == nil && len(r.b) > 0 {
		r.fail()
	}
	return r.err
}
