package host_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/host"
	"inbox/inbox/inboxtest"
)

// These guests run for seconds without a loop and without a call. wazero would not check whether they must stop. Without such a
// check Go's collector cannot stop the world, and nothing else in the process runs.
func TestNoGuestOutlivesItsTimeOrFreezesTheProcess(t *testing.T) {
	inboxtest.Long(t)
	onEachEngine(t, testNoGuestOutlivesItsTimeOrFreezesTheProcess)
}

func testNoGuestOutlivesItsTimeOrFreezesTheProcess(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	random := imported("wasi_snapshot_preview1", "random_get", 0, 2)
	for name, g := range map[string]guest{
		"a row of memory.fill": {pages: 256, code: bytes.Repeat(slices.Concat(i32(0, 1, 16<<20), []byte{0xfc, 11, 0}), 2000)},
		"a row of memory.copy": {pages: 256, code: bytes.Repeat(slices.Concat(i32(0, 8<<20, 8<<20), []byte{0xfc, 10, 0, 0}), 2000)},
		"a row of long calls of the host": {
			imports: [][]byte{random}, pages: 256, code: bytes.Repeat(slices.Concat(i32(0, 16<<20), []byte{0x10, 0, 0x1a}), 2000),
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := limitsOn(engine)
			m.Limits.Time = 300 * time.Millisecond
			p, err := h.Compile(context.Background(), g.wasm(), m)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close(context.Background())
			over := make(chan inbox.Outcome, 1)
			go func() { over <- p.Run(context.Background(), call()) }()
			var longest time.Duration
			for {
				select {
				case out := <-over:
					if out.Result != inbox.Timeout || out.Duration > 30*time.Second {
						t.Errorf("%s (%s) after %s", out.Result, out.Reason, out.Duration)
					}
					if longest > 4*time.Second { // some tens of milliseconds on an idle machine
						t.Errorf("the world took %s to stop", longest)
					}
					return
				default:
					longest = max(longest, stopTheWorld())
				}
			}
		})
	}
}

func TestModulesThatWouldHurtTheHostAreRefusedBeforeTheyRun(t *testing.T) {
	onEachEngine(t, testModulesThatWouldHurtTheHostAreRefusedBeforeTheyRun)
}

// everyVariable sets each variable to zero (0x21), or reads it by setting it to itself (0x22).
func everyVariable(op byte, n uint64) (out []byte) {
	for i := range n {
		if op == 0x22 {
			out = append(append(append(append(out, 0x20), number(i)...), 0x21), number(i)...)
			continue
		}
		out = append(append(out, 0x41, 0, 0x21), number(i)...)
	}
	return out
}

func testModulesThatWouldHurtTheHostAreRefusedBeforeTheyRun(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h, hasty := newHost(t), newHost(t)
	host.SetStartBudget(hasty, 200*time.Millisecond)
	branch := []byte{0x02, 0x40, 0x41, 0, 0x0d, 0, 0x0b} // block, br_if, end
	table200k := slices.Concat([]byte{0x0e}, number(200_000), make([]byte, 200_001))
	for name, c := range map[string]struct {
		g    guest
		says string
	}{
		"many tables":              {guest{tables: slices.Repeat([][]byte{table(1)}, 17)}, "17 tables"},
		"a large table":            {guest{tables: [][]byte{table(1<<16 + 1)}}, "tables of 65537 elements"},
		"claimed elements":         {guest{elements: [][]byte{slices.Concat([]byte{1, 0}, number(100_000_000))}}, "cut off or damaged"},
		"claimed data":             {guest{data: [][]byte{slices.Concat([]byte{1}, number(1<<31))}}, "cut off or damaged"},
		"many segments":            {guest{data: slices.Repeat([][]byte{{1, 0}}, 100_001)}, "100001 segments of data"},
		"many imports":             {guest{imports: slices.Repeat([][]byte{imported("env", "f", 0, 0)}, 1001)}, "1001 imports"},
		"a long name":              {guest{imports: [][]byte{imported("env", strings.Repeat("f", 1001), 0, 0)}}, "a name of 1001 bytes"},
		"many locals":              {guest{locals: slices.Concat([]byte{1}, number(1<<32-1), []byte{0x7f})}, "4294967295 local variables"},
		"many globals":             {guest{globals: slices.Repeat([][]byte{{0x7f, 0, 0x41, 0, 0x0b}}, 1<<18)}, "globals"},
		"a huge function":          {guest{code: bytes.Repeat([]byte{0x01}, 1<<19)}, "524290 bytes"},
		"a complex function":       {guest{code: bytes.Repeat(branch, 20_000)}, "too long"},
		"branches and variables":   {guest{locals: slices.Concat([]byte{1}, number(9_000), []byte{0x7f}), code: slices.Concat(everyVariable(0x21, 9_000), bytes.Repeat(branch, 200), everyVariable(0x22, 9_000))}, "too long"},
		"branches and operands":    {guest{extra: [][]byte{slices.Concat([]byte{0x60}, number(128), bytes.Repeat([]byte{0x7f}, 128), []byte{0})}, code: slices.Concat(bytes.Repeat(i32(0), 128), []byte{0x03, 3, 0x41, 0}, table200k, []byte{0x0b})}, "too long"},
		"calls of many values":     {guest{extra: [][]byte{slices.Concat([]byte{0x60, 16}, bytes.Repeat([]byte{0x7f}, 16), []byte{16}, bytes.Repeat([]byte{0x7f}, 16))}, typeOfMore: 3, more: [][]byte{bytes.Repeat(i32(0), 16)}, code: slices.Concat(bytes.Repeat(i32(0), 16), bytes.Repeat([]byte{0x10, 1}, 200_000), bytes.Repeat([]byte{0x1a}, 16))}, "too much memory"},
		"calls by a table":         {guest{tables: [][]byte{table(1)}, code: bytes.Repeat([]byte{0x41, 0, 0x11, 0, 0}, 90_000)}, "too much memory"},
		"loops and variables":      {guest{locals: []byte{1, 0x90, 3, 0x7f}, code: slices.Concat(bytes.Repeat([]byte{0x03, 0x40}, 300), everyVariable(0x22, 400), bytes.Repeat([]byte{0x41, 0, 0x0d, 0, 0x0b}, 300))}, "too long"},
		"an imported memory":       {guest{imports: [][]byte{imported("env", "memory", 2, 0, 1)}}, "the memory env.memory"},
		"an imported table":        {guest{imports: [][]byte{imported("env", "t", 1, 0x70, 0, 1)}}, "the table env.t"},
		"an imported global":       {guest{imports: [][]byte{imported("env", "g", 3, 0x7f, 0)}}, "the global env.g"},
		"wrong parameters":         {guest{imports: [][]byte{imported("wasi_snapshot_preview1", "proc_exit", 0, 2)}}, "proc_exit with other parameters"},
		"a _start of another kind": {guest{exports: [][]byte{exported("_start", 2, 0)}}, "no function _start"},
		"a _start with a wish":     {guest{typ: 1}, "no function _start"},
		"data out of bounds":       {guest{data: [][]byte{slices.Concat([]byte{0}, i32(1<<20), []byte{0x0b, 1, 'x'})}}, "cannot be set up"},
		"an endless start":         {guest{start: true, code: []byte{0x03, 0x40, 0x0c, 0, 0x0b}}, "time of 200ms"},
		// WebAssembly 2.0 has none of these. wazero reads some of them as longer or shorter than they are.
		"a select of another type": {guest{code: []byte{0xd0, 0x70, 0xd0, 0x70, 0x41, 0, 0x1c, 1, 0x63, 0x70, 0x1a}}, "63 in its code"},
		"a block of another type":  {guest{code: []byte{0x02, 0x63, 0x70, 0xd0, 0x70, 0x0b, 0x1a}}, "63 in its code"},
		"a negative block type":    {guest{code: []byte{0x02, 0xe3, 0x7f, 0x70, 0x0b}}, "cut off or damaged"},
		"a local of another type":  {guest{locals: []byte{1, 1, 0x63, 0x70}}, "63 in its code"},
		"a padded vector number":   {guest{code: []byte{0xfd, 0x80, 0x00, 0x0b}}, "00 in its code"},
		"a null of another type":   {guest{code: []byte{0xd0, 0x6e, 0x1a}}, "6e in its code"},
		"a tail call":              {guest{code: []byte{0x12, 0x00}}, "12 in its code"},
		"an atomic":                {guest{code: []byte{0xfe, 0x03, 0x00}}, "fe in its code"},
		"an unknown bulk":          {guest{code: []byte{0xfc, 18}}, "fc 12 in its code"},
		"a cut off instruction":    {guest{code: []byte{0x41, 0x80, 0x80, 0x80, 0x80, 0x80}}, "cut off or damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			on := h
			if strings.Contains(c.says, "time of") { // the others must not fail on a busy machine
				on = hasty
			}
			p, err := on.Compile(context.Background(), c.g.wasm(), limitsOn(engine))
			if err == nil {
				p.Close(context.Background())
				t.Fatal("the module was accepted")
			}
			if !strings.Contains(err.Error(), c.says) || inbox.KindOf(err) != inbox.Invalid {
				t.Errorf("refused as %s: %v; want …%s…", inbox.KindOf(err), err, c.says)
			}
		})
	}
}

// Package wasm reads all of WebAssembly 2.0, and rewrites a function only where it must pause.
func TestEveryKindOfInstructionIsReadToItsEnd(t *testing.T) {
	onEachEngine(t, testEveryKindOfInstructionIsReadToItsEnd)
}

func testEveryKindOfInstructionIsReadToItsEnd(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	drop := []byte{0x1a}
	vector := slices.Concat([]byte{0xfd, 12}, make([]byte, 16))
	for name, code := range map[string][]byte{
		"constants":          slices.Concat(i32(-1), drop, []byte{0x42, 0x7f}, drop, []byte{0x43, 1, 2, 3, 4}, drop, []byte{0x44, 1, 2, 3, 4, 5, 6, 7, 8}, drop),
		"memory":             slices.Concat([]byte{0x3f, 0}, drop, i32(0), []byte{0x40, 0}, drop, i32(8), []byte{0x28, 2, 0}, drop, i32(8, 1), []byte{0x36, 2, 0}),
		"variables":          slices.Concat(i32(1), []byte{0x22, 0, 0x21, 0, 0x20, 0}, drop),
		"a table of labels":  slices.Concat([]byte{0x02, 0x40, 0x02, 0x40}, i32(1), []byte{0x0e, 2, 0, 1, 0, 0x0b, 0x0b}),
		"a select of a type": slices.Concat(i32(1, 2, 0), []byte{0x1c, 1, 0x7f}, drop),
		"an if with a type":  slices.Concat(i32(1), []byte{0x04, 0x7f}, i32(1), []byte{0x05}, i32(2), []byte{0x0b}, drop),
		"a block of a type":  slices.Concat(i32(1), []byte{0x02, 1, 0x1a, 0x0b}),
		"references":         slices.Concat([]byte{0xd0, 0x6f, 0xd1}, drop, []byte{0xd0, 0x70}, drop),
		"saturation":         slices.Concat([]byte{0x43, 0, 0, 0, 0, 0xfc, 0}, drop),
		"bulk":               slices.Concat(i32(0, 0, 8), []byte{0xfc, 11, 0}, i32(0, 8, 8), []byte{0xfc, 10, 0, 0}),
		"tables":             slices.Concat([]byte{0xfc, 16, 0}, drop, []byte{0xd0, 0x70}, i32(1), []byte{0xfc, 15, 0}, drop),
		"vectors": slices.Concat(vector, vector, []byte{0xfd, 13}, make([]byte, 16), []byte{0xfd, 21, 0}, drop,
			i32(0), []byte{0xfd, 0, 4, 0, 0xfd, 0x80, 1}, drop, i32(0, 0), []byte{0xfd, 15, 0xfd, 84, 0, 0, 0}, drop),
	} {
		t.Run(name, func(t *testing.T) {
			g := guest{tables: [][]byte{table(1)}, locals: []byte{1, 1, 0x7f}, code: code}
			p, err := h.Compile(context.Background(), g.wasm(), limitsOn(engine))
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close(context.Background())
			if out := p.Run(context.Background(), call()); out.Result != inbox.OK {
				t.Errorf("%s: %s", out.Result, out.Reason)
			}
		})
	}
}
