package host

import (
	"context"
	"errors"

	"inbox/inbox"
	"inbox/sdk/abi"
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
func Needs(wasm []byte, m *inbox.Manifest, document int64) (Need, error) {
	mod, err := inspect(wasm)
	if err != nil {
		return Need{}, err
	}
	engine := m.Engine
	if !native(context.Background()) {
		engine = inbox.Interpreter
	}
	if mod.weigh(metering{}) != nil { // it is too tangled for that, and as long as may be for all we know
		err := mod.weigh(pauses{})
		if t := (*tangled)(nil); errors.As(err, &t) {
			err = refuse("", "%w", t)
		}
		if err != nil {
			return Need{}, err
		}
		mod.length = maxInterpreted
	}
	return mod.needs(int64(len(wasm)), m, engine).with(document, m), nil
}

// needs is what it may take without its documents.
func (m *module) needs(size int64, man *inbox.Manifest, engine inbox.Engine) Need {
	n := Need{Instances: man.Concurrency, Code: codeSize * size}
	n.Mapped = n.Code
	if engine == inbox.Interpreter { // which keeps it in Go's heap
		n.Code, n.Mapped = stepSize*int64(m.length), 0
	}
	if m.isSession(function{abi.Module, abi.Next}) {
		n.Instances *= 2
	}
	each := int64(n.Instances)
	n.Memories = each * (man.Limits.Memory / pageSize * pageSize)
	if fixed {
		n.Mapped += n.Memories
	} else { // they are copied when they grow, in Go's heap
		n.Memories *= 2
	}
	n.Stacks = each * framesMost
	if engine != inbox.Interpreter {
		n.Stacks = each * 2 * (stackMost + valueSize*int64(m.values))
	}
	tables := (&reader{b: m.sections[sectionTable]}).u32() // how many; they grow by being copied
	held := itemSize * (int64(tables)*maxTable + int64(len(m.sections[sectionGlobal])+len(m.sections[sectionElement])))
	n.Rest = each * (held + 3*(man.Limits.Output+man.Limits.Log)) // buffers double, and are handed on as a copy
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
func CompileNeed(size int64) int64 { return maxCompiling + lightMemory + 2*(64<<20+24*size) }
