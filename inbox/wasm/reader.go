package wasm

import (
	"encoding/binary"
	"fmt"
	"math"
)

// reader reads the binary format (WebAssembly core specification 2.0, chapter 5). After a failure it yields zeros, and
// nothing is left to read.
type reader struct {
	b      []byte
	err    error
	size   int      // of b at the beginning, if at is asked
	m      *Module  // whose indexes are read, if any are
	refs   []ref    // where functions are named
	width  int      // of the last number of u32, in bytes
	labels []uint32 // of the last table of branches
}

// ref is a place where a function is named by its index.
type ref struct {
	at, end int
	index   uint64
}

// at is how far b was read.
func (r *reader) at() int { return r.size - len(r.b) }

func (r *reader) fail() { r.stop(&damage{what: cutOff, left: len(r.b)}) }

// refuse ends the reading for a reason.
func (r *reader) refuse(format string, args ...any) { r.stop(fmt.Errorf(format, args...)) }

// stop keeps the first failure.
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

// u32 reads an unsigned LEB128 number of 32 bits.
func (r *reader) u32() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 5 || v > math.MaxUint32 {
		r.fail()
		return 0
	}
	r.b, r.width = r.b[n:], n
	return v
}

// index reads an index into so many things of a kind.
func (r *reader) index(many uint64, kind string) uint64 {
	i := r.u32()
	r.checkIndex(i, many, kind)
	return i
}

// within refuses an index of something that is not there.
func (r *reader) checkIndex(i, many uint64, kind string) {
	if r.err == nil && i >= many {
		r.refuse("the module is damaged: it names the %s %d and has %d", kind, i, many)
	}
}

// function reads the index of a function.
func (r *reader) function() { r.reference(r.u32()) }

// refer keeps where a function was named, just before.
func (r *reader) reference(i uint64) {
	r.checkIndex(i, uint64(len(r.m.imports)+len(r.m.typeOf)), "function")
	end := r.at()
	r.refs = append(r.refs, ref{end - r.width, end, i})
}

// leb skips a signed LEB128 number of at most so many bytes. Whether it fits its type is for the validation to say.
func (r *reader) skipLEB(most int) {
	for range most {
		if r.byte() < 0x80 {
			return
		}
	}
	r.fail()
}

// count reads the length of a vector. Every element takes a byte at least, so that a lie about it ends here.
func (r *reader) count() int {
	n := r.u32()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

// limits reads the limits of a table or memory; without a maximum it is the largest number.
func (r *reader) limits() (flag byte, low, high uint64) {
	flag = r.byte()
	low, high = r.u32(), math.MaxUint32
	if flag&1 == 1 {
		high = r.u32()
	}
	return flag, low, high
}

// done returns the failure, or that something is left where nothing should be.
func (r *reader) done() error {
	if r.err == nil && len(r.b) > 0 {
		r.fail()
	}
	return r.err
}
