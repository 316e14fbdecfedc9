package host_test

import (
	"bytes"
	"context"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
)

// heapPeak runs fn and returns the largest growth of Go's heap meanwhile.
func heapPeak(fn func()) int64 {
	runtime.GC()
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	read := func() int64 { metrics.Read(s); return int64(s[0].Value.Uint64()) }
	before, peak := read(), int64(0)
	done := make(chan struct{})
	go func() { defer close(done); fn() }()
	for {
		select {
		case <-done:
			return peak - before
		default:
			peak = max(peak, read())
			runtime.Gosched()
		}
	}
}

// The compiler doubles a stack and adds the call that did not fit.
func TestACompiledStackStaysWithinItsBound(t *testing.T) {
	h := newHost(t)
	for _, n := range []int{0, 1000, 60_000} { // values on the stack of each call
		code := slices.Concat(bytes.Repeat([]byte{0x23, 0}, n), []byte{0x10, 0}, bytes.Repeat([]byte{0x24, 0}, n))
		p, err := h.Compile(context.Background(), guest{globals: [][]byte{{0x7e, 1, 0x42, 0, 0x0b}}, code: code}.wasm(), limits())
		if err != nil {
			t.Fatal(err)
		}
		var out inbox.Outcome
		peak := heapPeak(func() { out = p.Run(context.Background(), call()) })
		if need := p.Need(0); out.Result != inbox.Trap || peak > need.Stacks {
			t.Errorf("%d values: %s: the heap grew by %d bytes, %d are stated", n, out.Result, peak, need.Stacks)
		}
		p.Close(context.Background())
	}
}

// The interpreter bounds the depth of calls, but not the stack of each, which is in Go's heap.
func TestAnInterpretedStackStaysWithinItsBound(t *testing.T) {
	h := newHost(t)
	m := limitsOn(inbox.Interpreter)
	m.Limits.Time = 20 * time.Second
	recursion := func(operands int) []byte {
		return slices.Concat(bytes.Repeat([]byte{0x41, 0}, operands), []byte{0x10, 0}, bytes.Repeat([]byte{0x1a}, operands))
	}
	vectors := func(n uint64) []byte { return slices.Concat([]byte{1}, number(n), []byte{0x7b}) }
	for name, g := range map[string]guest{
		"operands": {code: recursion(120_000)}, "local variables": {locals: vectors(10_000), code: recursion(0)},
		"one value": {locals: vectors(500), code: recursion(495)},
	} {
		if _, err := h.Compile(context.Background(), g.wasm(), m); inbox.KindOf(err) != inbox.Invalid || !strings.Contains(err.Error(), "operands, more than") {
			t.Errorf("%s too many: %v", name, err)
		}
	}
	most := guest{locals: vectors(990), code: recursion(0)}
	p, err := h.Compile(context.Background(), most.wasm(), m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	var out inbox.Outcome
	peak := heapPeak(func() { out = p.Run(context.Background(), call()) })
	if need := p.Need(0); out.Result != inbox.Trap || peak > need.Stacks {
		t.Errorf("%s: the heap grew by %d bytes, %d are stated", out.Result, peak, need.Stacks)
	}
}
