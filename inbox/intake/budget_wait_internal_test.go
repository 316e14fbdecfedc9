package intake

import (
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// want starts a body of an address that reserves n bytes. It returns the body, and a channel that reports whether it got them.
func (h *holdings) want(address byte, n int64) (b *body, got chan bool) {
	b, got = h.enter(address, 1), make(chan bool, 1)
	go func() { got <- b.reserve(n) }()
	synctest.Wait()
	return b, got
}

func (h *holdings) waiting() int {
	h.budget.mu.Lock()
	defer h.budget.mu.Unlock()
	return len(h.budget.waiting)
}

func TestABodyWaitsUntilAStalledBodyOfItsAddressCanBeEvicted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHoldings(t, 100)
		stalled := []*body{h.enter(1, 2*mega), h.enter(1, 2*mega), h.enter(1, 2*mega)}
		began := time.Now()
		b, got := h.want(1, 3*mega)
		h.evicted(false, stalled...)
		if !<-got || time.Since(began) > 1100*time.Millisecond {
			t.Errorf("it has no bytes after %s", time.Since(began))
		}
		if h.waiting() != 0 {
			t.Error("it still waits")
		}
		h.evicted(false, b)
	})
}

func TestTheBodyWithTheLongestWaitPerWantedByteIsServedFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHoldings(t, 100)
		full := h.enter(1, 7*mega)
		h.budget.stopReading(full) // it is complete, so that it cannot be evicted
		_, much := h.want(1, 4*mega)
		time.Sleep(5 * time.Second)
		_, little := h.want(1, 2*mega)
		_, late := h.want(1, 2*mega)
		_, small := h.want(1, smallBody/2)
		if !<-small {
			t.Error("a small body waits for large ones")
		}
		time.Sleep(time.Second)
		h.budget.giveBack(full, 2*mega) // enough for each of the two, but not for the first
		time.Sleep(time.Second)
		if len(much)+len(little)+len(late) != 0 {
			t.Error("a later body is served before one that waits longer")
		}
		h.budget.giveBack(full, 2*mega)
		if !<-much {
			t.Error("the first has no bytes")
		}
		h.budget.release(full)
		if !<-little || !<-late {
			t.Error("the others have no bytes")
		}
		if h.waiting() != 0 {
			t.Error("a body still waits")
		}
	})
}

func TestABodyThatWaitsForBytesOccupiesNoSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHoldings(t, 1)
		full := h.enter(1, 7*mega)
		h.budget.stopReading(full)
		b, got := h.want(1, 4*mega)
		other := h.body(1)
		if !h.budget.startReading(other) {
			t.Error("another body gets no slot")
		}
		time.Sleep(2 * time.Second)
		h.evicted(false, b)
		h.budget.release(full)
		if !<-got {
			t.Error("it gets no bytes although some are free")
		}
	})
}

func TestTheWaitForTheBudgetEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHoldings(t, 100)
		full := h.enter(1, 7*mega)
		h.budget.stopReading(full)
		began := time.Now()
		if _, got := h.want(1, 4*mega); <-got || time.Since(began) != budgetPatience {
			t.Errorf("the wait ended after %s", time.Since(began))
		}
		if h.waiting() != 0 {
			t.Error("it still waits")
		}
	})
}

func TestAnnouncedBodiesOfOneAddressDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHoldings(t, 100)
		const size = 2 * mega
		whole := make(chan error, 40)
		for range cap(whole) { // ten times the share of their address
			go func() {
				b := h.body(1)
				defer b.release()
				if !b.await(func() bool { return h.budget.startReading(b) }) {
					whole <- errBusy
					return
				}
				whole <- b.fill(io.LimitReader(endless{}, size), size, size)
			}()
		}
		for range cap(whole) {
			if err := <-whole; err != nil {
				t.Error(err)
			}
		}
	})
}

// endless is a sender that takes a millisecond for every piece.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return min(len(p), piece), nil
}
