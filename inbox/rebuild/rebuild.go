// Package rebuild folds the state of a plugin again, from the events that the plugin has settled.
//
// It promises:
//   - Each event that the plugin settled with ok or skip is folded once, in the order of the log, by the release that Options.Attempt runs.
//     Requests and emitted events of these attempts are dropped. Fetches get the answers of the attempt that settled the event.
//   - The old state stays until the whole fold has ended well. Then one transaction replaces it.
//   - The plugin runs on meanwhile. It stands still only while the last of its settled events are folded, and during that transaction.
//
// The new state may differ from the old one also under the same release: events that were settled late, by a retry or a replay, are
// folded at their place in the log.
package rebuild

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"inbox/inbox"
)

// Store keeps events and state.
type Store interface {
	// Settled returns the events that a query selects, in the order of the log.
	Settled(ctx context.Context, q *inbox.SettledQuery) ([]inbox.Settled, error)
	// Payload returns the payload of an event: NotFound when it is purged.
	Payload(ctx context.Context, seq int64) (inbox.Payload, error)
	// Journal returns what an attempt fetched.
	Journal(ctx context.Context, plugin string, seq, run int64, attempt int) ([]inbox.Fetched, error)
	Documents
}

// Documents are the state documents of the store.
type Documents interface {
	// EachState calls fn for the documents that a filter selects, without their contents.
	EachState(ctx context.Context, f inbox.StateFilter, fn func(*inbox.StateEntry) error) error
	// StateAt returns a change with its document.
	StateAt(ctx context.Context, id inbox.StateID, at inbox.StateMoment) (*inbox.StateEntry, error)
	// SwapState replaces state in one transaction.
	SwapState(ctx context.Context, who inbox.Actor, w *inbox.StateSwap) error
}

// Options configure a rebuild. All fields but Chosen and Progress are needed.
type Options struct {
	Store    Store
	Actor    inbox.Actor
	Plugin   string
	Manifest *inbox.Manifest // of the release that folds
	UsesKV   bool            // the release uses kv, which is folded too: then Chosen must be nil
	Fetches  bool            // the release uses http_fetch: the journals of the settled attempts answer it
	Attempt  func(ctx context.Context, w *inbox.Work) inbox.Outcome
	Lane     func(e *inbox.Event, body []byte) inbox.LaneID
	Chosen   map[inbox.LaneID]bool // nil: all lanes
	Progress func(seq int64)       // told of the seq up to which the log is folded; nil: not used

	// Watch begins to note the seqs of the events that the plugin settles. When it returns, Store.Settled finds each event that was settled
	// before. Each call of take returns the seqs of those settled since the call before, which Store.Settled finds too.
	Watch func(ctx context.Context) (take func(context.Context) ([]int64, error), end func(), err error)
	// Suspend waits until no attempt of the plugin runs and every settlement is durable. None begins until resume is called.
	Suspend func(ctx context.Context) (resume func(), err error)
}

// tail is the number of settled events that may be left to fold when the plugin is suspended, and rounds the number of times that the
// fold goes after them before. So the suspension is short, also under load.
const (
	tail   = 200
	rounds = 10
	tries  = 3 // times that everything is folded
)

// Run rebuilds the state. An error leaves the old state as it is. done is called after the swap, before the plugin goes on; nil: not
// used.
func Run(ctx context.Context, o Options, done func(ctx context.Context)) (inbox.Rebuilt, error) {
	take, end, err := o.Watch(ctx)
	if err != nil {
		return inbox.Rebuilt{}, err
	}
	defer end()
	f := newFold(&o)
	for range tries {
		if err := f.catchUp(ctx, take); err != nil {
			return inbox.Rebuilt{}, err
		}
		if r, err := f.end(ctx, take, done); !errors.Is(err, errAgain) {
			return r, err
		}
	}
	return inbox.Rebuilt{}, inbox.Errorf(inbox.Conflict, "rebuild the state of plugin "+o.Plugin, "events were settled late again and again; the state stays as it was").
		WithHint("pause the plugin with `inbox plugin pause " + o.Plugin + "` meanwhile")
}

// errAgain says that everything must be folded again, which takes too long while the plugin is suspended.
var errAgain = errors.New("an event was settled late")

// catchUp folds until few settled events are left.
func (f *fold) catchUp(ctx context.Context, take func(context.Context) ([]int64, error)) error {
	if err := f.all(ctx); err != nil {
		return err
	}
	for range rounds {
		seqs, err := take(ctx)
		if err != nil {
			return err
		}
		err = f.follow(ctx, seqs)
		if errors.Is(err, errAgain) {
			f.restart()
			err = f.all(ctx)
		}
		if err != nil || len(seqs) < tail {
			return err
		}
	}
	return nil
}

// end suspends the plugin, folds its last settled events and swaps the state.
func (f *fold) end(ctx context.Context, take func(context.Context) ([]int64, error), done func(ctx context.Context)) (r inbox.Rebuilt, err error) {
	resume, err := f.o.Suspend(ctx)
	if err != nil {
		return r, err
	}
	defer resume()
	seqs, err := take(ctx)
	if err != nil {
		return r, err
	}
	if err := f.follow(ctx, seqs); err != nil {
		if errors.Is(err, errAgain) {
			f.restart()
		}
		return r, err
	}
	swap, err := f.swap(ctx)
	if err != nil {
		return r, err
	}
	if err := f.o.Store.SwapState(ctx, f.o.Actor, swap); err != nil {
		return r, err
	}
	if done != nil {
		done(context.WithoutCancel(ctx)) // the state is replaced: also a caller that is gone must not stop this half-way
	}
	r = inbox.Rebuilt{Events: f.done.count(), Lanes: len(f.lanes), Changed: len(swap.Docs)}
	for i := range swap.Docs {
		if swap.Docs[i].Document == nil {
			r.Deleted++
		}
	}
	return r, nil
}

// swap returns the difference between the folded state and the stored one.
func (f *fold) swap(ctx context.Context) (*inbox.StateSwap, error) {
	w := &inbox.StateSwap{Plugin: f.o.Plugin, Version: f.o.Manifest.StateVersion, All: f.o.Chosen == nil}
	stored := map[inbox.LaneID]bool{}
	err := f.o.Store.EachState(ctx, inbox.StateFilter{Plugin: f.o.Plugin}, func(e *inbox.StateEntry) error {
		if f.o.Chosen != nil && !f.o.Chosen[e.Lane] {
			return nil
		}
		stored[e.Lane] = true
		d := f.lanes[e.Lane]
		if d == nil || d.state.Document == nil {
			w.Docs = append(w.Docs, inbox.LaneDocument{Lane: e.Lane, Seq: max(e.Seq, d.lastSeq())})
			return nil
		}
		now, err := f.o.Store.StateAt(ctx, e.StateID, inbox.StateMoment{})
		if err != nil || string(now.Document) != string(d.state.Document) || now.Version != d.state.Version {
			w.Docs = append(w.Docs, d.document(e.Lane)) // also in place of one that cannot be read
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for id, d := range f.lanes {
		if !stored[id] && d.state.Document != nil {
			w.Docs = append(w.Docs, d.document(id))
		}
	}
	slices.SortFunc(w.Docs, func(a, b inbox.LaneDocument) int {
		return cmpLane(a.Lane, b.Lane)
	})
	if f.o.UsesKV {
		w.KV = f.kv.pairs()
	}
	return w, nil
}

// failed returns the error of an event that could not be folded.
func failed(e *inbox.Event, plugin, format string, args ...any) error {
	return inbox.Errorf(inbox.Conflict, "rebuild the state of plugin "+plugin, "event %s: %s; the state stays as it was", e.ID, fmt.Sprintf(format, args...))
}
