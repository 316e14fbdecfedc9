package host

import (
	"context"

	"inbox/inbox"
	"inbox/inbox/wasm"
)

// Need is what the instances of one plugin may take of the process's memory at most, in bytes.
type Need struct {
	Instances int   // as many as attempts at a time, and of a session as many again that wait for an event
	Memories  int64 // their linear memories
	Stacks    int64 // of guests that recurse until the runtime ends them
	Rest      int64 // results, logs, documents, tables and globals
	Code      int64 // the module, compiled or as the interpreter keeps it, once
	Mapped    int64 // how much of all this is mapped, and not in Go's heap
}

// Total is all of it.
func (n Need) Total() int64 { return n.Memories + n.Stacks + n.Rest + n.Code }

// What the runtime takes, measured with wazero v1.12.
const (
	// stackMost is how long the stack of one compiled guest becomes: twice as long each time, and longer by the call that did
	// not fit, as long as it is not longer than 50 MB. Those before it, which are as long together, are there until the
	// collector runs.
	stackMost = 100_000_000
	// framesMost is what the calls of one interpreted guest take: 2000 of maxFrame values, while their stack grows.
	framesMost = 126_000_000
	valueSize  = 16 // bytes of a value that a compiled function keeps on its stack
	codeSize   = 8  // bytes of a compiled module for a byte of it
	stepSize   = 60 // bytes of an instruction that the interpreter keeps
	itemSize   = 24
)

// Needs tells what a module may take under a manifest whose defaults are filled in, when a document has at most so many
// bytes. The error is Invalid for what is not a module that could become a release.
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
		f.Instructions = maxInterpreted // as long as may be for all we know
	}
	return needs(f, isSession(mod), int64(len(file)), m, engine).with(document, m), nil
}

// needs is what a module may take without its documents.
func needs(f wasm.Figures, session bool, size int64, m *inbox.Manifest, engine inbox.Engine) Need {
	n := Need{Instances: m.Concurrency, Code: codeSize * size}
	n.Mapped = n.Code
	if engine == inbox.Interpreter { // which keeps it in Go's heap
		n.Code, n.Mapped = stepSize*int64(f.Instructions), 0
	}
	if session {
		n.Instances *= 2
	}
	each := int64(n.Instances)
	n.Memories = each * (m.Limits.Memory / wasm.PageSize * wasm.PageSize)
	if fixed {
		n.Mapped += n.Memories
	} else { // they are copied when they grow, in Go's heap
		n.Memories *= 2
	}
	n.Stacks = each * framesMost
	if engine != inbox.Interpreter {
		n.Stacks = each * 2 * (stackMost + valueSize*int64(f.Values))
	}
	held := itemSize * int64(f.TableElements+f.Declared)      // tables grow by being copied
	n.Rest = each * (held + 3*(m.Limits.Output+m.Limits.Log)) // buffers double, and are handed on as a copy
	return n
}

// with adds the documents of running attempts. A body that is not JSON is encoded, and the text built by doubling.
func (n Need) with(document int64, m *inbox.Manifest) Need {
	n.Rest += 5 * document * int64(m.Concurrency)
	return n
}

// Need is what the instances of p may take when a document has at most so many bytes.
func (p *Program) Need(document int64) Need { return p.need.with(document, p.manifest) }

// CompileNeed is what compiling modules of so many bytes at most may take: one at a time, and beside it one that takes long. A
// module takes what its largest function does, which is bounded, and its code twice over until it is done.
func CompileNeed(size int64) int64 {
	return wasm.MaxCompileMemory + wasm.LightCompileMemory + 2*(64<<20+24*size)
}
