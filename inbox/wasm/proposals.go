package wasm

import (
	"errors"
	"fmt"
)

// proposal is an extension of WebAssembly that inbox does not run. Its name and a hint how to build without it go into the
// error. Codes are those of the WebAssembly core specification 3.0 (chapter 5) and of the proposals at
// https://github.com/WebAssembly/proposals.
type proposal struct {
	name, without string
	code          []byte // the bytes where it was found; nil for a section
}

// Error names the proposal and the bytes where it was found.
func (p *proposal) Error() string {
	text := "the module uses WebAssembly " + p.name + ", which inbox does not run"
	if p.code != nil {
		text += fmt.Sprintf(": % x in its code", p.code)
	}
	return text
}

func exceptions() *proposal {
	return &proposal{
		name:    "exceptions (exception handling)",
		without: "build without them: -fno-exceptions, and no -fwasm-exceptions, -mexception-handling or -mllvm -wasm-enable-sjlj (C, C++), -C panic=abort (Rust)",
	}
}

func tailCalls() *proposal {
	return &proposal{name: "tail calls", without: "build without them: -mno-tail-call (C, C++), -C target-feature=-tail-call (Rust)"}
}

func threads() *proposal {
	return &proposal{
		name:    "threads (atomics, shared memory)",
		without: "build for one thread: without -pthread, -matomics and --shared-memory (C, C++), for wasm32-wasip1 and not wasm32-wasip1-threads (Rust), -fsingle-threaded (Zig)",
	}
}

func relaxedSIMD() *proposal {
	return &proposal{name: "relaxed SIMD", without: "build without it: -mno-relaxed-simd (C, C++), -C target-feature=-relaxed-simd (Rust); plain SIMD (-msimd128) is run"}
}

func collection() *proposal {
	return &proposal{
		name:    "garbage collection (GC)",
		without: "build with a compiler that keeps its objects in linear memory, as Go, Rust, C, Zig and AssemblyScript do; Kotlin/Wasm, Dart and other GC targets cannot be used",
	}
}

func functionReferences() *proposal {
	return &proposal{name: "typed function references", without: "build without them: no --enable-gc, --enable-typed-function-references or -all for wasm-opt"}
}

func memory64() *proposal {
	return &proposal{name: "64-bit memory (memory64)", without: "build for wasm32 and not for wasm64: --target=wasm32-wasi (C, C++), wasm32-wasip1 (Rust)"}
}

func multiMemory() *proposal {
	return &proposal{name: "several memories (multi-memory)", without: "build with one memory: without -mmultimemory, and no --enable-multimemory for wasm-opt or wasm-merge"}
}

func pageSizes() *proposal {
	return &proposal{name: "custom page sizes", without: "build with pages of 64 KiB: without --page-size for the linker"}
}

func extendedConst() *proposal {
	return &proposal{name: "extended constant expressions (extended-const)", without: "build without them: -mno-extended-const (C, C++), -C target-feature=-extended-const (Rust), and not as position-independent code (-fPIC)"}
}

func stackSwitching() *proposal {
	return &proposal{name: "stack switching", without: "build without it: no --enable-stack-switching for wasm-opt"}
}

func wideArithmetic() *proposal {
	return &proposal{name: "wide arithmetic", without: "build without it: -mno-wide-arithmetic (C, C++), -C target-feature=-wide-arithmetic (Rust)"}
}

func halfPrecision() *proposal {
	return &proposal{name: "half precision (FP16)", without: "build without it: -mno-fp16 (C, C++)"}
}

func memoryControl() *proposal {
	return &proposal{name: "memory control", without: "build without it: no memory.discard"}
}

func stringReferences() *proposal {
	return &proposal{name: "string references (stringref)", without: "build without them: no --enable-strings for wasm-opt"}
}

// codes is a range of bytes and the proposal that they belong to.
type codes struct {
	from, to byte
	is       func() *proposal
}

func find(list []codes, b byte) *proposal {
	for _, s := range list {
		if b >= s.from && b <= s.to {
			return s.is()
		}
	}
	return nil
}

// proposalOfInstruction returns the proposal of an instruction that begins with code, nil when none is known.
func proposalOfInstruction(code ...byte) *proposal {
	switch {
	case code[0] == opBulk && len(code) > 1:
		return find([]codes{
			{0x12, 0x12, memoryControl},  // memory.discard
			{0x13, 0x16, wideArithmetic}, // i64.add128, sub128, mul_wide_s, mul_wide_u
			{0x30, 0x31, halfPrecision},  // f32.load_f16, f32.store_f16
		}, code[1])
	case code[0] == opVector && len(code) > 2 && code[2] == 2: // a second opcode from 0x100 on
		return find([]codes{
			{0x80, 0x9f, relaxedSIMD},
			{0xa0, 0xff, halfPrecision}, // f16x8.splat and others
		}, code[1])
	}
	return find([]codes{
		{0x06, 0x0a, exceptions},         // try, catch, throw, rethrow, throw_ref
		{0x12, 0x13, tailCalls},          // return_call, return_call_indirect
		{0x14, 0x15, functionReferences}, // call_ref, return_call_ref
		{0x18, 0x19, exceptions},         // delegate, catch_all
		{0x1f, 0x1f, exceptions},         // try_table
		{0xd3, 0xd3, collection},         // ref.eq
		{0xd4, 0xd6, functionReferences}, // ref.as_non_null, br_on_null, br_on_non_null
		{0xe0, 0xe6, stackSwitching},     // cont.new, cont.bind, suspend, resume, …
		{0xfb, 0xfb, collection},         // structs, arrays, i31 and casts
		{0xfe, 0xfe, threads},            // all atomic instructions
	}, code[0])
}

// proposalOfType returns the proposal of a byte in the place of a type, nil when none is known.
func proposalOfType(b byte) *proposal {
	return find([]codes{
		{0x4d, 0x50, collection},         // rec, sub and others
		{0x5d, 0x5d, stackSwitching},     // cont
		{0x5e, 0x5f, collection},         // array, struct
		{0x61, 0x62, stringReferences},   // views of a stringref
		{0x63, 0x64, functionReferences}, // (ref null …), (ref …)
		{0x66, 0x67, stringReferences},   // a view of a stringref, stringref
		{0x68, 0x68, stackSwitching},     // contref
		{0x69, 0x69, exceptions},         // exnref
		{0x6a, 0x6e, collection},         // arrayref, structref, i31ref, eqref, anyref
		{0x71, 0x73, collection},         // nullref, nullexternref, nullfuncref
		{0x74, 0x74, exceptions},         // nullexnref
		{0x75, 0x75, stackSwitching},     // nullcontref
		{0x77, 0x78, collection},         // i16, i8
	}, b)
}

// proposalOfLimits returns the proposal of the flags of a memory's or table's limits. Bit 0, which says that there is a
// maximum, is ignored.
func proposalOfLimits(flags byte) *proposal {
	switch {
	case flags > 15:
		return nil
	case flags&8 != 0:
		return pageSizes()
	case flags&4 != 0:
		return memory64()
	case flags&2 != 0:
		return threads()
	}
	return nil
}

// proposalOfSection returns the proposal of a section that WebAssembly 2.0 does not have.
func proposalOfSection(id byte) *proposal {
	switch id {
	case 13: // tags
		return exceptions()
	case 14: // string literals
		return stringReferences()
	}
	return nil
}

// unsupported stops with a proposal, or at unknown bytes when p is nil.
func (r *reader) unsupported(p *proposal, code ...byte) {
	if p == nil {
		r.unknown(code...)
		return
	}
	p.code = code
	r.stop(p)
}

// typeByte reads one byte in the place of a type and stops unless it is one of may.
func (r *reader) typeByte(may ...byte) byte {
	b := r.byte()
	for _, one := range may {
		if b == one {
			return b
		}
	}
	if r.err == nil {
		r.unsupported(proposalOfType(b), b)
	}
	return b
}

// cutOff is the text for most damaged modules.
const cutOff = "the module is cut off or damaged"

// damage is an error in a module that no compiler produces.
type damage struct {
	what string
	left int   // bytes from the error to the end of the part that was read
	at   int64 // offset in the file; 0 when unknown
}

// Error includes the offset in the file, if it is known.
func (d *damage) Error() string {
	if d.at > 0 {
		return fmt.Sprintf("%s at byte %d", d.what, d.at)
	}
	return d.what
}

// locate adds the offset in the file to an error. end is the offset where the part that was read ends.
func locate(err error, end int64) error {
	if d := (*damage)(nil); errors.As(err, &d) && d.at == 0 {
		d.at = end - int64(d.left)
	}
	return err
}
