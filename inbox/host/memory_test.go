package host_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
)

// Memories are reused. A guest must never see another guest's data, neither in its initial memory nor where it grows.
func TestTheMemoryOfANewGuestIsZero(t *testing.T) {
	onEachEngine(t, testTheMemoryOfANewGuestIsZero)
}

func testTheMemoryOfANewGuestIsZero(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	var look []byte
	for _, at := range []int64{0, 40_000, 100_000, 1 << 20, 16<<20 - 4} { // trap unless the memory is zero, then write
		look = slices.Concat(look, i32(at), []byte{0x28, 2, 0, 0x04, 0x40, 0x00, 0x0b}, i32(at, -1), []byte{0x36, 2, 0})
	}
	g := guest{pages: 2, code: slices.Concat(i32(254), []byte{0x40, 0, 0x1a}, look)} // after growing to 256 pages
	m := limitsOn(engine)
	m.Limits.Time = time.Minute
	p, err := h.Compile(context.Background(), g.wasm(), m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				if out := p.Run(context.Background(), call()); out.Result != inbox.OK {
					t.Errorf("%s: %s", out.Result, out.Reason)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestAMemoryLimitWithinAPageIsNotExceeded(t *testing.T) {
	onEachEngine(t, testAMemoryLimitWithinAPageIsNotExceeded)
}

func testAMemoryLimitWithinAPageIsNotExceeded(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	m := limitsOn(engine)
	m.Limits.Memory = 3*64<<10 + 1
	one := slices.Concat(i32(1), []byte{0x40, 0}) // memory.grow: the old size, or -1
	grown := slices.Concat(one, []byte{0x1a}, one, []byte{0x1a}, one, i32(-1), []byte{0x46, 0x04, 0x40, 0x05, 0x00, 0x0b})
	p, err := h.Compile(context.Background(), guest{pages: 1, code: grown}.wasm(), m) // traps unless the third fails
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	if out := p.Run(context.Background(), call()); out.Result != inbox.OK {
		t.Errorf("%s: %s", out.Result, out.Reason)
	}
}

func TestTheHostReportsAMissingMemoryAndGoesOn(t *testing.T) {
	onEachEngine(t, testTheHostReportsAMissingMemoryAndGoesOn)
}

func testTheHostReportsAMissingMemoryAndGoesOn(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	m := limitsOn(engine)
	m.Limits.Memory = 1 << 50 // no system has so much
	for _, wasm := range [][]byte{guest{}.wasm(), session(nil, nil, nil)} {
		if _, err := h.Compile(context.Background(), wasm, m); inbox.KindOf(err) != inbox.Unavailable {
			t.Errorf("%v", err)
		}
	}
}
