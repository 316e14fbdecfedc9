package wasm

import (
	"encoding/binary"
	"errors"
	"slices"
)

// rewriter changes the functions of a module so that a guest can be stopped.
type rewriter interface {
	shape(b *body) shape                           // the function's shape after the rewriting
	prologue(out []byte, b *body) []byte           // appends the local variables and the code before the first instruction
	patch(out []byte, b *body, where patch) []byte // appends the replacement of a patch
}

// pausing inserts a pause wherever a function could run long without one: at its beginning, because a tree of calls needs no
// loop, and before every bulk instruction, because a row of those over the whole memory needs no loop either.
type pausing struct{}

// pause is an empty loop. With its context check on, wazero checks at loops, and nowhere else, whether a guest must stop.
// Without such a check a guest cannot be stopped, and Go's collector cannot stop the world.
var pause = []byte{opLoop, 0x40, opEnd}

func (pausing) shape(b *body) shape { return b.shape }

func (pausing) prologue(out []byte, b *body) []byte {
	out = binary.AppendUvarint(out, b.groups)
	return append(append(out, b.locals...), pause...)
}

func (pausing) patch(out []byte, b *body, where patch) []byte {
	if where.kind == atBulk {
		return append(out, pause...)
	}
	return append(out, b.code[where.at:where.end]...)
}

// Paused returns the module rewritten so that wazero's context check can stop it. The error is Invalid; it wraps
// [ErrTooComplex] if the module would take too much to compile.
func (m *Module) Paused() ([]byte, error) {
	code, err := m.rewrite(pausing{})
	if errors.Is(err, ErrTooComplex) {
		return nil, refuse("split it, or build without inlining", "%w", err)
	}
	if err != nil {
		return nil, m.locateInCode(err)
	}
	sections := m.sections
	if sections[sectionCode] != nil {
		sections[sectionCode] = code
	}
	return assemble(&sections), nil
}

// A metered module has an import and an export of its own. No other module may have them. The import has the type (i64) ->
// (i64).
const (
	MeterModule = "inbox_meter"
	MeterCharge = "charge"
	MeterGlobal = "inbox_meter.left" // the exported counter
)

// metering makes every function count its instructions. At its beginning and at every loop the counter is lowered by the price
// of the instructions that follow, and before a bulk instruction by its length. When the counter falls below zero the guest
// calls the host, which returns the next slice or ends the guest.
type metering struct {
	imported uint64 // number of imported functions; the charge function follows them
	global   []byte // encoded index of the counter
	function []byte // encoded index of the charge function
}

// shape adds for every charge its branch, and the branches that wazero makes of a call: after a call it reloads what it knows
// of the memory.
func (metering) shape(b *body) shape {
	s := b.shape
	n := uint64(b.charges())
	s.branches, s.paths = s.branches+2*n, s.paths+2*n
	s.vars += 2
	s.work.add(n, work{instructionsPerCharge * anyWork.time, instructionsPerCharge * anyWork.memory})
	return s
}

func (w metering) prologue(out []byte, b *body) []byte {
	out = binary.AppendUvarint(out, b.groups+2)
	out = append(out, b.locals...)
	out = append(out, 1, 0x7e, 1, 0x7f) // two variables: the rest after a charge, an i64; the length of a bulk instruction, an i32
	if w.chargesTogether(b) {
		return out
	}
	return w.chargeFixed(out, b, b.counts[0])
}

// chargesTogether reports whether the first loop also charges for the code outside of loops: the function always reaches that
// loop and has little code outside. Go gives most of its functions this form.
func (metering) chargesTogether(b *body) bool {
	return b.untilLoop >= 0 && b.untilLoop <= maxOutside && b.counts[0] <= maxOutsidePrice
}

// Bounds of what a loop may be overcharged at each turn.
const (
	maxOutside      = 16 // instructions
	maxOutsidePrice = 100
)

func (w metering) patch(out []byte, b *body, where patch) []byte {
	switch where.kind {
	case atLoop:
		n := b.counts[where.value]
		if where.value == 1 && w.chargesTogether(b) {
			n += b.counts[0]
		}
		return w.chargeFixed(out, b, n)
	case atBulk:
		return w.chargeLength(out, b)
	}
	if where.value >= w.imported {
		where.value++
	}
	return binary.AppendUvarint(out, where.value)
}

// chargeFixed charges n instructions.
func (w metering) chargeFixed(out []byte, b *body, n uint64) []byte {
	out = append(append(out, opGlobalGet), w.global...)
	out = appendSigned(append(out, opI64Const), int64(n))
	return w.charge(out, b)
}

// chargeLength charges the operand on top of the stack and leaves it there.
func (w metering) chargeLength(out []byte, b *body) []byte {
	length := binary.AppendUvarint(nil, b.vars+1)
	out = append(append(out, opLocalTee), length...)
	out = append(append(out, opGlobalGet), w.global...)
	out = append(append(out, opLocalGet), length...)
	return w.charge(append(out, opI64ExtendU), b)
}

// charge lowers the counter and calls the host when the counter is below zero. The counter and the price are on the stack.
func (w metering) charge(out []byte, b *body) []byte {
	left := binary.AppendUvarint(nil, b.vars)
	out = append(append(append(out, opI64Sub), opLocalTee), left...)
	out = append(append(out, opGlobalSet), w.global...)
	out = append(append(out, opLocalGet), left...)
	out = append(out, opI64Const, 0, opI64LtS, opIf, 0x40)
	out = append(append(out, opLocalGet), left...)
	out = append(append(out, opCall), w.function...)
	out = append(append(out, opGlobalSet), w.global...)
	return append(out, opEnd)
}

// Metered returns the module rewritten so that it counts its instructions. It imports MeterModule.MeterCharge and exports the
// counter as MeterGlobal. The counter is zero at first, so the guest's first action, also in a start function, is to call the
// host. The error is Invalid, or [ErrTooComplex] for a module that [Module.Paused] may still accept.
func (m *Module) Metered() ([]byte, error) {
	if slices.Contains(m.exports, MeterGlobal) {
		return nil, refuse("", "the module exports %s, which inbox adds to it", MeterGlobal)
	}
	for _, f := range m.imports {
		if f.Module == MeterModule {
			return nil, refuse("", "the module imports %s, which only inbox may", f)
		}
	}
	imported := uint64(len(m.imports))
	w := metering{imported: imported, global: binary.AppendUvarint(nil, m.globals), function: binary.AppendUvarint(nil, imported)}
	code, err := m.rewrite(w)
	if err != nil {
		return nil, m.locateInCode(err)
	}
	sections := m.sections
	if sections[sectionCode] != nil {
		sections[sectionCode] = code
	}
	for _, id := range []byte{sectionGlobal, sectionExport, sectionStart, sectionElement} {
		sections[id] = shiftFunctions(sections[id], m.refs[id], imported)
	}
	typ := binary.AppendUvarint(nil, uint64(len(m.params)))
	sections[sectionType] = appendElement(sections[sectionType], []byte{0x60, 1, 0x7e, 1, 0x7e}) // (i64) -> (i64)
	sections[sectionImport] = appendElement(sections[sectionImport], slices.Concat(text(MeterModule), text(MeterCharge), []byte{kindFunction}, typ))
	sections[sectionGlobal] = appendElement(sections[sectionGlobal], []byte{0x7e, 1, opI64Const, 0, opEnd})
	sections[sectionExport] = appendElement(sections[sectionExport], slices.Concat(text(MeterGlobal), []byte{kindGlobal}, w.global))
	return assemble(&sections), nil
}

// shiftFunctions adds one to the function indexes of a section that are not below imported.
func shiftFunctions(body []byte, refs []ref, imported uint64) []byte {
	if len(refs) == 0 {
		return body
	}
	out := make([]byte, 0, len(body)+len(refs))
	copied := 0
	for _, one := range refs {
		if one.index < imported {
			continue
		}
		out = append(out, body[copied:one.at]...)
		out = binary.AppendUvarint(out, one.index+1)
		copied = one.end
	}
	return append(out, body[copied:]...)
}

// appendElement appends one element to a section that is a vector.
func appendElement(body, element []byte) []byte {
	r := &reader{b: body}
	n := uint64(0)
	if body != nil {
		n = r.u32()
	}
	out := binary.AppendUvarint(make([]byte, 0, len(body)+len(element)+1), n+1)
	return append(append(out, r.b...), element...)
}

func text(s string) []byte { return append(binary.AppendUvarint(nil, uint64(len(s))), s...) }

// appendSigned appends a signed LEB128 number.
func appendSigned(out []byte, n int64) []byte {
	for {
		b := byte(n & 0x7f)
		n >>= 7
		if (n == 0 && b&0x40 == 0) || (n == -1 && b&0x40 != 0) {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}
