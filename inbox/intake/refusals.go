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
	refusalAddresses = 64          // counted separately in one summary
	namedAddresses   = 3           // named in one summary
	namedPath        = 100         // bytes of a path that a summary shows
)

// RefusalKeeper stores the counts of refused requests.
type RefusalKeeper interface {
	CountRefusals(ctx context.Context, counts []inbox.Refusal) error
}

// Refusals counts refused requests. The first request for a source and reason is logged at once. From then on one line a
// minute sums up the later ones. The counts are stored once a minute too, so that strangers cannot make the store write more
// often. Refusals is safe for concurrent use.
type Refusals struct {
	log  *slog.Logger
	keep RefusalKeeper // nil: counts are not stored
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

// refused is the count of requests that were refused for one reason.
type refused struct {
	count     int64
	last      time.Time
	addresses map[netip.Addr]int64
	others    int64  // requests of further addresses
	path      string // of the last request, when no source has it
}

// NewRefusals returns counters at zero. Without a keeper they are not stored.
func NewRefusals(log *slog.Logger, keep RefusalKeeper) *Refusals {
	return &Refusals{
		log: log, keep: keep, wake: make(chan struct{}, 1), now: map[refusalKey]*refused{}, said: map[refusalKey]bool{}, unstored: map[refusalKey]*refused{},
	}
}

// Note counts one refused request, or, with why RefusedConnections, one connection that was closed. path is the path of a
// request for which no source exists, else empty.
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
		return // the next summary includes it
	}
	select {
	case r.wake <- struct{}{}:
	default: // Run is awake already
	}
}

func entry(in map[refusalKey]*refused, key refusalKey) *refused {
	if in[key] == nil {
		in[key] = &refused{}
	}
	return in[key]
}

// Unstored returns the counts that are not stored yet.
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

// Run logs and stores the counts until ctx is done.
func (r *Refusals) Run(ctx context.Context) error {
	var minute <-chan time.Time // nil after a minute without refusals
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

// take returns the counts that are not logged yet. With unsaid it returns only reasons that were not logged in this minute. Else
// it returns all reasons and begins a new minute.
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

// sumUp logs the counts since the last summary, and stores all counts that are not stored yet. It reports whether it had any.
func (r *Refusals) sumUp(ctx context.Context) bool {
	now := r.take(false)
	r.mu.Lock()
	store := counts(r.unstored)
	r.mu.Unlock()
	r.write(now)
	r.store(ctx, store)
	return len(now) > 0 || r.keep != nil && len(store) > 0
}

// write logs one line for each source and reason.
func (r *Refusals) write(now map[refusalKey]*refused) {
	keys := slices.SortedFunc(maps.Keys(now), func(a, b refusalKey) int {
		return cmp.Or(strings.Compare(a.source, b.source), strings.Compare(a.why, b.why))
	})
	for _, key := range keys {
		r.line(key, now[key])
	}
}

// store stores counts. After an error it tries again in a minute.
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
	r.unstored = map[refusalKey]*refused{} // only this goroutine adds counts to it
}

// line logs the count of one reason.
func (r *Refusals) line(key refusalKey, n *refused) {
	says, hint := (&inbox.Refusal{Source: key.source, Why: key.why, Lost: key.lost, Count: n.count}).Says()
	args := []any{"source", key.source, "why", key.why, "count", n.count, "addresses", n.from(), "hint", hint}
	if n.path != "" {
		args = append(args, "path", inbox.Printable(n.path))
	}
	r.log.Warn(says, args...)
}

// from names the addresses that sent the most requests.
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
