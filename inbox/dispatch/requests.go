package dispatch

import (
	"context"
	"sync"
)

// requests holds the requests of other goroutines to a loop. Requests for another release and for a look at the store are
// stored here, and a newer one replaces an older one. So no caller waits while the loop waits for the disk. Questions wait for
// an answer.
type requests struct {
	asks    chan func()     // functions for the loop's goroutine
	gone    chan struct{}   // closed when the loop has ended
	quiet   []chan struct{} // the loop closes them when nothing runs
	settled []chan struct{} // the loop closes them when nothing runs and every settlement is durable

	mu   sync.Mutex
	swap bool
	live *Live // for swap
	look bool  // at the store again
}

// ask has the loop's goroutine call fn. It reports false when the loop does not take fn before ctx is done.
func (q *requests) ask(ctx context.Context, fn func()) bool {
	select {
	case q.asks <- fn:
		return true
	case <-ctx.Done():
	case <-q.gone:
	}
	return false
}

// answer has the loop's goroutine call fn and returns the result. It returns false when the loop is stopping or does not answer
// before ctx is done.
func answer[T any](ctx context.Context, q *requests, fn func() T) (T, bool) {
	got := make(chan T, 1)
	var none T
	if !q.ask(ctx, func() { got <- fn() }) {
		return none, false
	}
	select {
	case v := <-got:
		return v, true
	case <-ctx.Done():
	case <-q.gone:
	}
	return none, false
}

// setLive asks for another live release.
func (q *requests) setLive(live *Live) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.swap, q.live = true, live
}

// lookAgain asks for a look at the store.
func (q *requests) lookAgain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.look = true
}

// take returns and clears the stored requests.
func (q *requests) take() (swap bool, live *Live, look bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	swap, live, look = q.swap, q.live, q.look
	q.swap, q.live, q.look = false, nil, false
	return swap, live, look
}

// tellQuiet closes the channels that wait until nothing runs.
func (q *requests) tellQuiet() {
	for _, c := range q.quiet {
		close(c)
	}
	q.quiet = nil
}

// tellSettled closes the channels that wait until nothing is left to be settled.
func (q *requests) tellSettled() {
	for _, c := range q.settled {
		close(c)
	}
	q.settled = nil
}
