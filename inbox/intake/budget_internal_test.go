package intake

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// holdings are bodies in a budget, by the last byte of their address.
type holdings struct {
	*testing.T
	budget *budget
}

func (h *holdings) body(address byte) *body {
	return &body{budget: h.budget, from: netip.AddrFrom4([4]byte{192, 0, 2, address}), timeout: time.Minute, deadline: func(time.Time) error { return nil }}
}

// enter returns a body that is being read and has n bytes.
func (h *holdings) enter(address byte, n int64) *body {
	h.Helper()
	b := h.body(address)
	if !h.budget.startReading(b) || !h.budget.reserve(b, n) {
		h.Fatalf("the budget has no %d bytes for address %d", n, address)
	}
	return b
}

func (h *holdings) evicted(want bool, bodies ...*body) {
	h.Helper()
	h.budget.mu.Lock()
	defer h.budget.mu.Unlock()
	for i, b := range bodies {
		if b.evicted != want {
			h.Errorf("body %d of %s was evicted: %v", i, b.from, b.evicted)
		}
	}
}

func newHoldings(t *testing.T, bodies int) *holdings {
	return &holdings{t, newBudget([]Source{{MaxBody: 2 * mega}}, 16*mega, bodies)} // 14 for large ones, 8 for one address
}

const mega = 1 << 20

func TestTheSlowestBodyOfTheAddressWithTheMostBytesIsEvicted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHoldings(t, 100)
		few := h.enter(1, 2*mega) // slow too, and older, but of an address with fewer bytes
		time.Sleep(2 * time.Second)
		slowest := h.enter(2, 2*mega)
		time.Sleep(2 * time.Second)
		second, third := h.enter(2, 2*mega), h.enter(2, 2*mega)
		complete := h.enter(2, 2*mega)
		h.budget.stopReading(complete)
		time.Sleep(2 * time.Second)
		fresh := h.enter(3, 4*mega)
		h.enter(4, 1*mega)
		h.evicted(true, slowest)
		h.evicted(false, few, second, third, complete, fresh)
		if h.budget.reserve(slowest, 1) {
			t.Error("an evicted body gets bytes again")
		}
		h.enter(5, 2*mega)
		if second.evicted == third.evicted {
			t.Error("neither, or both, of two equally slow bodies were evicted")
		}
		h.evicted(false, few, complete, fresh)
	})
}

func TestAProgressingBodyIsEvictedOnlyForAnAddressWithFewerBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHoldings(t, 100)
		first := h.enter(1, 3*mega)
		second := h.enter(1, 3*mega)
		third := h.enter(3, 1*mega)
		other := h.enter(2, 7*mega) // 14 of 14
		more := h.body(1)
		if !h.budget.startReading(more) || !h.budget.reserve(more, mega/2) {
			t.Error("an address that would hold fewer bytes gets none")
		}
		h.evicted(true, other)
		h.evicted(false, first, second, third)
		again := h.body(2)
		if !h.budget.startReading(again) || h.budget.reserve(again, 7*mega) { // 13.5 are not free any more, and it would hold more than every other address
			t.Error("an address that would hold more than every other gets bytes")
		}
		h.evicted(false, first, second, third, more)
	})
}

func TestAnAddressHasAShareOfTheBudgetAndItsOwnSlowBodiesAreEvictedFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHoldings(t, 100)
		other := h.enter(2, 2*mega)
		time.Sleep(2 * time.Second)
		own := h.enter(1, 4*mega)
		time.Sleep(time.Millisecond) // either of two equally slow bodies may be evicted
		h.enter(1, 4*mega)
		late := h.body(1)
		if !h.budget.startReading(late) || h.budget.reserve(late, mega) {
			t.Error("an address gets more than its share from a body that progresses")
		}
		time.Sleep(2 * time.Second)
		if !h.budget.reserve(late, mega) {
			t.Error("a slow body of the same address is not evicted")
		}
		h.evicted(true, own)
		h.evicted(false, other)
	})
}

func TestAPartOfTheBudgetIsReservedForSmallBodies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHoldings(t, 100)
		large := []*body{h.enter(1, 7*mega), h.enter(2, 7*mega)} // all bytes that large ones may get
		for _, b := range large {
			h.budget.stopReading(b) // now they cannot be evicted
		}
		if b := h.body(3); h.budget.reserve(b, mega) {
			t.Error("a large body gets bytes that are reserved for small ones")
		}
		for i := range 16 {
			b := h.body(1) // also one of an address whose share is used up
			if !h.budget.reserve(b, smallBody) {
				t.Errorf("small body %d gets no bytes", i)
			}
		}
		if b := h.body(3); h.budget.reserve(b, 1) {
			t.Error("more bytes are reserved than the budget has")
		}
	})
}

func TestTheNumberOfBodiesThatAreReadIsBoundedToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHoldings(t, 3)
		first := h.enter(1, 10)
		second, third := h.enter(1, 10), h.enter(1, 10)
		if h.budget.startReading(h.body(1)) {
			t.Error("a fourth of the same address is read beside three that progress")
		}
		other := h.enter(2, 10)
		if n := len(h.budget.reading); n != 3 {
			t.Errorf("%d are read", n)
		}
		h.evicted(false, other)
		time.Sleep(2 * time.Second)
		h.enter(1, 10)
		gone := 0
		for _, b := range []*body{first, second, third} {
			if b.evicted {
				gone++
			}
		}
		if gone != 2 {
			t.Errorf("%d of the first were evicted", gone)
		}
	})
}

func TestTheBudgetIsFreeWhenAllBodiesAreReleased(t *testing.T) {
	t.Parallel()
	h := newHoldings(t, 100)
	var all []*body
	for i := range byte(50) {
		b := h.body(i % 7)
		if h.budget.startReading(b) {
			h.budget.reserve(b, int64(i)*100_000)
		}
		all = append(all, b)
	}
	for _, b := range all {
		h.budget.stopReading(b)
		h.budget.release(b)
	}
	if h.budget.used != 0 || len(h.budget.reading) != 0 || len(h.budget.holders) != 0 {
		t.Errorf("%d bytes, %d read, %d addresses", h.budget.used, len(h.budget.reading), len(h.budget.holders))
	}
}
