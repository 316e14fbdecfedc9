package intake

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"inbox/inbox"
)

const (
	refusalsEvery    = time.Minute // between two summaries, and between two writes
	refusalAddresses = 64          // told apart in one summary
	namedAddresses   = 3           // named in one summary
	namedPath        = 100         // bytes of a path that a summary shows
)

// RefusalKeeper is what keeps the counts of refused requests.
type RefusalKeeper interface {
	CountRefusals(ctx context.Context, counts []inbox.Refusal) error
}

// Refusals counts requests that were refused. The first one for a source and reason is logged at once, and from then on one
// line a minute sums up what came for them. The counts are stored as often: strangers cannot make the
// store write more than once a minute. It may be used by several goroutines.
type Refusals struct {
	log  *slog.Logger
	keep RefusalKeeper // nil: nobody
	wake chan struct{}

	mu       sync.Mutex
	now      map[refusalKey]*refused // not logged yet
	said     map[refusalKey]bool     // logged in this minute
	unstored map[refusalKey]*refused // summed up, and not stored yet
}

type refusalKey struct {
	source, why string
	lost        bool
}

// refused is what came for one reason.
type refused struct {
	count     int64
	last      time.Time
	addresses map[netip.Addr]int64
	others    int64  // of addresses that are not told apart any more
	path      string // of the last one, when no source has it
}

// NewRefusals returns counters at zero. Without a keeper they are not stored.
func NewRefusals(log *slog.Logger, keep RefusalKeeper) *Refusals {
	return &Refusals{
		log: log, keep: keep, wake: make(chan struct{}, 1), now: map[refusalKey]*refused{}, said: map[refusalKey]bool{}, unstored: map[refusalKey]*refused{},
	}
}

// Note counts one refused request, or, with why RefusedConnections, one connection that was closed. path is where a request
// came for which there is no source.
func (r *Refusals) Note(source, why string, lost bool, address netip.Addr, path string, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := refusalKey{source, why, lost}
	n := entry(r.now, key)
	n.count++
	n.last = at
	if n.addresses == nil {
		n.addresses = map[netip.Addr]int64{}
	}
	if _, known := n.addresses[address]; known || len(n.addresses) < refusalAddresses {
		n.addresses[address]++
	} else {
		n.others++
	}
	if path != "" {
		n.path = strings.Clone(path[:min(len(path), namedPath)])
	}
	if r.said[key] {
		return // the next summary tells
	}
	select {
	case r.wake <- struct{}{}:
	default: // it is awake
	}
}

func entry(in map[refusalKey]*refused, key refusalKey) *refused {
	if in[key] == nil {
		in[key] = &refused{}
	}
	return in[key]
}

// Unstored returns what was counted and is not stored yet.
func (r *Refusals) Unstored() []inbox.Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []inbox.Refusal
	for _, part := range []map[refusalKey]*refused{r.unstored, r.now} {
		list = append(list, counts(part)...)
	}
	return list
}

func counts(of map[refusalKey]*refused) []inbox.Refusal {
	list := make([]inbox.Refusal, 0, len(of))
	for key, n := range of {
		list = append(list, inbox.Refusal{
			Source: key.source, Why: key.why, Lost: key.lost, Hour: n.last.Truncate(time.Hour), Count: n.count, LastAt: n.last,
		})
	}
	slices.SortFunc(list, func(a, b inbox.Refusal) int {
		return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(a.Why, b.Why))
	})
	return list
}

// Run logs and stores what is counted, until ctx is done.
func (r *Refusals) Run(ctx context.Context) error {
	var minute <-chan time.Time // nil after a quiet one
	for {
		select {
		case <-ctx.Done():
			r.sumUp(ctx)
			return nil
		case <-r.wake:
			if minute != nil {
				r.write(r.take(true))
				continue
			}
		case <-minute:
		}
		minute = nil
		if r.sumUp(ctx) {
			minute = time.After(refusalsEvery)
		}
	}
}

// take returns what came and is not logged yet: of all reasons, which begins a new minute, or of those not logged in this one.
func (r *Refusals) take(unsaid bool) map[refusalKey]*refused {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !unsaid {
		clear(r.said)
	}
	taken := map[refusalKey]*refused{}
	for key, n := range r.now {
		if r.said[key] {
			continue
		}
		sum := entry(r.unstored, key)
		sum.count += n.count
		sum.last = n.last
		taken[key] = n
		delete(r.now, key)
	}
	for key := range taken {
		r.said[key] = true
	}
	return taken
}

// sumUp logs what came since the last time, and stores it with what is not stored yet. It reports whether there was anything.
func (r *Refusals) sumUp(ctx context.Context) bool {
	now := r.take(false)
	r.mu.Lock()
	store := counts(r.unstored)
	r.mu.Unlock()
	r.write(now)
	r.store(ctx, store)
	return len(now) > 0 || r.keep != nil && len(store) > 0
}

// write logs what came, one line for each source and reason.
func (r *Refusals) write(now map[refusalKey]*refused) {
	keys := slices.SortedFunc(maps.Keys(now), func(a, b refusalKey) int {
		return cmp.Or(strings.Compare(a.source, b.source), strings.Compare(a.why, b.why))
	})
	for _, key := range keys {
		r.line(key, now[key])
	}
}

// store stores counts. Those that cannot be stored are tried again in a minute.
func (r *Refusals) store(ctx context.Context, store []inbox.Refusal) {
	if r.keep == nil || len(store) == 0 {
		return
	}
	patience := refusalsEvery / 2
	if ctx.Err() != nil { // the program stops
		patience = time.Second
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := r.keep.CountRefusals(ctx, store); err != nil {
		r.log.Debug("the counts of refused requests are stored later", "error", err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unstored = map[refusalKey]*refused{} // nobody else moves counts there
}

// line logs what came for one reason.
func (r *Refusals) line(key refusalKey, n *refused) {
	says, hint := (&inbox.Refusal{Source: key.source, Why: key.why, Lost: key.lost, Count: n.count}).Says()
	args := []any{"source", key.source, "why", key.why, "count", n.count, "addresses", n.from(), "hint", hint}
	if n.path != "" {
		args = append(args, "path", inbox.Printable(n.path))
	}
	r.log.Warn(says, args...)
}

// from names the addresses from which most came.
func (n *refused) from() string {
	list := slices.SortedFunc(maps.Keys(n.addresses), func(a, b netip.Addr) int {
		return cmp.Or(cmp.Compare(n.addresses[b], n.addresses[a]), a.Compare(b))
	})
	rest := n.others
	var parts []string
	for i, a := range list {
		if i >= namedAddresses {
			rest += n.addresses[a]
			continue
		}
		parts = append(parts, fmt.Sprintf("%s (%d)", cmp.Or(said(a), "no address"), n.addresses[a]))
	}
	if rest > 0 {
		parts = append(parts, fmt.Sprintf("others (%d)", rest))
	}
	return strings.Join(parts, ", ")
}
