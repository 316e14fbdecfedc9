package host

import (
	"context"

	"inbox/inbox"
	"inbox/inbox/wasm"
	"inbox/sdk/abi"
)

// Need is an upper bound of the process memory that the instances of one plugin take, in bytes.
type Need struct {
	Instances int   // one per concurrent attempt; a session has as many again that wait for an event
	Memories  int64 // linear memories
	Stacks    int64 // stacks of guests that recurse until the runtime ends them
	Rest      int64 // results, logs, documents, tables and globals
	Code      int64 // the module once, compiled or as the interpreter keeps it
	Mapped    int64 // the part of all this that is mapped, outside Go's heap
}

// Total returns the sum of all parts.
func (n Need) Total() int64 { return n.Memories + n.Stacks + n.Rest + n.Code }

// What wazero v1.12 takes, by measurement.
const (
	// stackMost is the largest stack of one compiled guest. A stack doubles, plus the call that did not fit, while it is not
	// longer than 50 MB. The stacks before it, which together are as long, stay until the collector runs.
	stackMost = 100_000_000
	// framesMost is the memory of the calls of one interpreted guest: 2000 calls of maxFrame values, while their stack grows.
	framesMost = 126_000_000
	valueSize  = 16 // bytes per value on the stack of a compiled function
	codeSize   = 8  // bytes of compiled code per byte of the module
	stepSize   = 60 // bytes per instruction that the interpreter keeps
	itemSize   = 24
)

// Needs returns the need of a module under a manifest, whose defaults must be filled in, when a document has at most document
// bytes. The error is Invalid for a file that cannot become a release.
func Needs(file []byte, m *inbox.Manifest, document int64) (Need, error) {
	mod, err := wasm.Read(file)
	if err != nil {
		return Need{}, err
	}
	engine := m.Engine
	if !native(context.Background()) {
		engine = inbox.Interpreter
	}
	metered, err := mod.Weigh()
	if err != nil {
		return Need{}, err
	}
	f := mod.Figures()
	if !metered {
		f.Instructions = maxInterpreted // the bound, because the exact number is not known
	}
	return needs(f, mod, int64(len(file)), m, engine).with(document, m), nil
}

// needs returns the need of a module without its documents.
func needs(f wasm.Figures, mod *wasm.Module, size int64, m *inbox.Manifest, engine inbox.Engine) Need {
	session, fetches := isSession(mod), imports(mod, abi.HTTPFetch)
	n := Need{Instances: m.Concurrency, Code: codeSize * size}
	n.Mapped = n.Code
	if engine == inbox.Interpreter { // the interpreter keeps the module in Go's heap
		n.Code, n.Mapped = stepSize*int64(f.Instructions), 0
	}
	if session {
		n.Instances *= 2
	}
	each := int64(n.Instances)
	n.Memories = each * (m.Limits.Memory / wasm.PageSize * wasm.PageSize)
	if fixed {
		n.Mapped += n.Memories
	} else { // memories are in Go's heap, and growing copies them
		n.Memories *= 2
	}
	n.Stacks = each * framesMost
	if engine != inbox.Interpreter {
		n.Stacks = each * 2 * (stackMost + valueSize*int64(f.Values))
	}
	held := itemSize * int64(f.TableElements+f.Declared)      // growing a table copies it
	n.Rest = each * (held + 3*(m.Limits.Output+m.Limits.Log)) // buffers double, and the result is copied
	if len(m.Emit) > 0 {
		n.Rest += each * (inbox.MaxEmittedBytes + maxEntry) // what was emitted, and the entry that is read
	}
	if fetches {
		n.Rest += each * (inbox.MaxFetchedBytes + maxFetchEntry + 6*inbox.MaxFetchedBody) // answers, the request, and one answer that is read and escaped
	}
	return n
}

// with adds the documents of the running attempts. A body that is not JSON is encoded, in a buffer that doubles.
func (n Need) with(document int64, m *inbox.Manifest) Need {
	n.Rest += 5 * document * int64(m.Concurrency)
	return n
}

// Need returns the need of p when a document has at most document bytes.
func (p *Program) Need(document int64) Need { return p.need.with(document, p.manifest) }

// CompileNeed returns the memory to compile modules of at most size bytes: one light module and one that takes long. A module
// takes the memory of its largest function, which is bounded, and twice its code until it is compiled.
func CompileNeed(size int64) int64 {
	return wasm.MaxCompileMemory + wasm.LightCompileMemory + 2*(64<<20+24*size)
}
