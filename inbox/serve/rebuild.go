package serve

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"inbox/inbox"
	"inbox/inbox/host"
	"inbox/inbox/rebuild"
	"inbox/inbox/release"
)

// rebuilds are the rebuilds of state that run, and what they need of the live releases. It is safe for concurrent use.
type rebuilds struct {
	host *host.Host

	mu   sync.Mutex
	live map[string]*release.Live
	runs map[string]*rebuildRun // by plugin
}

// rebuildRun is a rebuild that runs.
type rebuildRun struct {
	progress inbox.RebuildProgress
}

func newRebuilds(h *host.Host) *rebuilds {
	return &rebuilds{host: h, live: map[string]*release.Live{}, runs: map[string]*rebuildRun{}}
}

// change notes the live release of a plugin.
func (b *rebuilds) change(c release.Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.live, c.Plugin)
	if c.Live != nil {
		b.live[c.Plugin] = c.Live
	}
}

// begin begins a rebuild. It is a Conflict while another of the plugin runs.
func (b *rebuilds) begin(plugin string, head int64) (*rebuildRun, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.runs[plugin] != nil {
		return nil, inbox.Errorf(inbox.Conflict, "", "a rebuild of plugin %s runs already", plugin)
	}
	b.runs[plugin] = &rebuildRun{progress: inbox.RebuildProgress{Head: head}}
	return b.runs[plugin], nil
}

func (b *rebuilds) end(plugin string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.runs, plugin)
}

// reached notes the progress of a rebuild.
func (b *rebuilds) reached(r *rebuildRun, seq int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.progress.Seq = max(r.progress.Seq, seq)
}

// Rebuilding returns how far the rebuild of a plugin is, and false when none runs.
func (c *Control) Rebuilding(plugin string) (p inbox.RebuildProgress, running bool) {
	if c.parts == nil {
		return p, false
	}
	b := c.parts.rebuilds
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.runs[plugin]
	if r == nil {
		return p, false
	}
	return r.progress, true
}

// folding is a release that folds.
type folding struct {
	release  string
	manifest *inbox.Manifest
	program  *host.Program
	waits    bool // its file was refused for its state_version, and is live after the swap
}

// Rebuild folds state of a plugin again.
func (c *Control) Rebuild(ctx context.Context, r *inbox.RebuildRequest) (done inbox.Rebuilt, err error) {
	if c.parts == nil {
		return done, inbox.Errorf(inbox.Unavailable, "", "no server runs, and a rebuild needs one: it runs the plugin").WithHint("start `inbox serve`, and ask again")
	}
	b := c.parts.rebuilds
	run, err := b.begin(r.Plugin, c.store.Head())
	if err != nil {
		return done, err
	}
	defer b.end(r.Plugin)
	record, err := c.store.Record(ctx, r.Plugin)
	if err != nil {
		return done, err
	}
	f, err := c.folding(ctx, record)
	if err != nil {
		return done, err
	}
	if f.waits {
		defer f.program.Close(context.WithoutCancel(ctx))
	}
	rule := inbox.LaneRule{Order: f.manifest.Order, By: f.manifest.KeyBy}
	if err := mayFold(r, record, f, rule); err != nil {
		return done, err
	}
	o := rebuild.Options{
		Store: c.store, Actor: r.Actor, Plugin: r.Plugin, Manifest: f.manifest, UsesKV: f.program.UsesKV(), Fetches: f.program.Fetches(), Attempt: f.program.Attempt,
		Progress: func(seq int64) { b.reached(run, seq) },
		Watch: func(ctx context.Context) (func(context.Context) ([]int64, error), func(), error) {
			return c.store.WatchSettled(ctx, r.Plugin)
		},
		Lane: func(e *inbox.Event, body []byte) inbox.LaneID {
			at := inbox.Scalars(body)
			return rule.Lane(e, inbox.Digested(at.Text, c.store.LaneDigest))
		},
		Suspend: func(ctx context.Context) (func(), error) {
			resume, ok := c.parts.dispatch.Suspend(ctx, r.Plugin)
			if !ok {
				return nil, inbox.Errorf(inbox.Unavailable, "", "the rebuild ended while it waited for running attempts; the state stays as it was")
			}
			return resume, nil
		},
	}
	if !r.All {
		if o.Chosen, err = c.chosenLanes(ctx, r, o.Lane); err != nil {
			return done, err
		}
	}
	done, err = rebuild.Run(ctx, o, func(ctx context.Context) {
		if f.waits {
			c.goLive(ctx, r.Plugin, f.release)
		}
	})
	done.Release = f.release
	return done, err
}

// mayFold returns an error when a release cannot fold the state that is asked for.
func mayFold(r *inbox.RebuildRequest, record *inbox.PluginRecord, f *folding, rule inbox.LaneRule) error {
	switch {
	case f.program.UsesKV() && !r.All:
		return inbox.Errorf(inbox.Conflict, "", "plugin %s uses kv, which all its events share: some documents cannot be folded alone", r.Plugin).WithHint("say --all")
	case f.waits && !r.All:
		return inbox.Errorf(inbox.Conflict, "", "release %s has a lower state_version than the stored documents: all must be folded again", f.release).WithHint("say --all")
	case record.LaneRule != "" && inbox.ParseLaneRule(record.LaneRule) != rule:
		return inbox.Errorf(inbox.Conflict, "", "plugin %s still keeps its lanes by the rule %q, and its release has another", r.Plugin, record.LaneRule).
			WithHint("wait until the lanes that lag are settled; `inbox plugin inspect " + r.Plugin + "` says more")
	}
	return nil
}

// folding returns the release that folds: the live one, or the one of the plugin's file if it waits for a rebuild.
func (c *Control) folding(ctx context.Context, record *inbox.PluginRecord) (*folding, error) {
	b := c.parts.rebuilds
	entries := c.parts.loader.List()
	i := slices.IndexFunc(entries, func(e release.Entry) bool { return e.Plugin == record.Name })
	if i >= 0 && entries[i].Older {
		f, err := c.waiting(ctx, record, entries[i].File)
		if f != nil || err != nil {
			return f, err
		}
	}
	b.mu.Lock()
	live := b.live[record.Name]
	b.mu.Unlock()
	if live == nil {
		return nil, inbox.Errorf(inbox.Conflict, "", "no release of plugin %s is live", record.Name).WithHint("`inbox plugin list` shows why")
	}
	return &folding{release: live.Release.ID, manifest: &live.Manifest, program: live.Program}, nil
}

// waiting returns the release of a plugin's file, which only its state_version keeps from going live; nil when the file has changed since.
func (c *Control) waiting(ctx context.Context, record *inbox.PluginRecord, id string) (f *folding, err error) {
	scanned := release.Scan(c.settings.Plugins, parallel(), func(x release.Found) {
		if x.Plugin != record.Name || x.Stray || x.Err != nil || x.Release.ID != id || x.Manifest.StateVersion >= record.StateVersion {
			return
		}
		f = &folding{release: x.Release.ID, manifest: &x.Manifest, waits: true}
		f.program, err = c.parts.rebuilds.host.Compile(ctx, x.Wasm, f.manifest)
	})
	if scanned != nil || err != nil {
		return nil, errors.Join(scanned, err)
	}
	return f, nil
}

// goLiveBound is the longest time in which a plugin waits for the release that folded its state.
const goLiveBound = 2 * time.Minute

// goLive has the loader read the plugin's file again, and waits until its release is live. Until then the plugin stays suspended, so
// that the release before it does not write documents of its version.
func (c *Control) goLive(ctx context.Context, plugin, id string) {
	ctx, cancel := context.WithTimeout(ctx, goLiveBound)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for c.parts.loader.Reload(plugin); ctx.Err() == nil; {
		for _, e := range c.parts.loader.List() {
			if e.Plugin == plugin && e.Live == id {
				return
			}
		}
		select {
		case <-look.C:
		case <-ctx.Done():
		}
	}
}

// chosenLanes returns the lanes of the events that a request selects.
func (c *Control) chosenLanes(ctx context.Context, r *inbox.RebuildRequest, lane func(*inbox.Event, []byte) inbox.LaneID) (map[inbox.LaneID]bool, error) {
	chosen := map[inbox.LaneID]bool{}
	job := inbox.Replay{Filter: r.Filter, Only: inbox.OnlyAll, Upto: c.store.Head()}
	for after := int64(0); after < job.Upto; {
		events, upto, err := c.store.Match(ctx, &job, r.Plugin, after, 500)
		if err != nil {
			return nil, err
		}
		for i := range events {
			p, err := c.store.Payload(ctx, events[i].Seq)
			if err != nil && inbox.KindOf(err) != inbox.NotFound {
				return nil, err
			}
			chosen[lane(&events[i], p.Body)] = true
		}
		after = upto
	}
	if len(chosen) == 0 {
		return nil, inbox.Errorf(inbox.NotFound, "", "no event matches")
	}
	return chosen, nil
}
