package dispatch

import (
	"context"
	"sync"
)

// ask has fn called by the pump's goroutine. It reports false when the pump does not take it before ctx is done.
func (p *pump) ask(ctx context.Context, fn func()) bool {
	select {
	case p.asks <- fn:
		return true
	case <-ctx.Done():
	case <-p.gone:
	}
	return false
}

// wishes are what others want of a pump. They are left for it, so that nobody waits for one that waits for the disk; of two
// of a kind the newer counts.
type wishes struct {
	mu   sync.Mutex
	swap bool
	live *Live // for swap
	look bool  // at the store again
}

// wish leaves a wish.
func (p *pump) wish(add func(w *wishes)) {
	p.wishes.mu.Lock()
	add(&p.wishes)
	p.wishes.mu.Unlock()
	p.again()
}

// heed does what was wished for, and reports whether anything was.
func (p *pump) heed() bool {
	w := &p.wishes
	w.mu.Lock()
	swap, live, look := w.swap, w.live, w.look
	w.swap, w.live, w.look = false, nil, false
	w.mu.Unlock()
	if swap {
		p.swap(live)
	}
	p.stale = p.stale || look
	return swap || look
}

// halt makes the plugin paused: nothing begins from now on. What the store says is read again, in case somebody resumed the
// plugin meanwhile. quiet is closed when nothing runs any more.
func (p *pump) halt(quiet chan struct{}) {
	p.paused, p.stale = true, true
	p.withdraw()
	p.quiet = append(p.quiet, quiet)
}

// hush tells whoever waits for it that nothing runs.
func (p *pump) hush() {
	if p.running > 0 {
		return
	}
	for _, q := range p.quiet {
		close(q)
	}
	p.quiet = nil
}
