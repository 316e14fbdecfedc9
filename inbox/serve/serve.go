// Package serve builds the rooms, joins them into the line, runs them, and stops them from left to right: the door
// first, so that nothing new comes, then the plugins, and the store last, when everything has been handed in.
package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/config"
	"inbox/inbox/datadir"
	"inbox/inbox/dispatch"
	"inbox/inbox/host"
	"inbox/inbox/intake"
	"inbox/inbox/release"
	"inbox/inbox/store"
)

// How long each part may take to stop. Together they stay under the eight seconds that a supervisor gives at least.
const (
	requestGrace = 2 * time.Second // requests under way
	attemptGrace = 4 * time.Second // attempts under way
)

// Options are how a server differs from one run to another.
type Options struct {
	Demo     bool          // show the whole line with samples; the settings give way to the demo's
	NoSecret bool          // begin without webhook secrets
	Paused   bool          // start no plugin
	Dev      bool          // show each attempt's log and reason in the log: for those who write a plugin
	DemoPace time.Duration // between two events of the demo; default 1.5 s
	Command  string        // how this program is called, for what the demo shows to type; default "inbox"
	Closed   bool          // open no door for webhooks: only what is stored is worked on
	Stdout   io.Writer
	Log      *slog.Logger
	Version  string
	Ready    func(Addresses) // told when everything listens; nil: nobody
	// LimitHeap is told how many bytes Go's heap may come to hold, whenever the plugins change; nil: nobody.
	LimitHeap func(bytes int64)
	Harm      Harm // what comes between the rooms; nothing but in `inbox torture` and tests
}

// Addresses are where a server listens; empty for where it does not.
type Addresses struct{ Webhooks, Admin, Health, Socket string }

// house is a running server.
type house struct {
	opt      Options
	settings *config.Settings
	log      *slog.Logger
	store    *store.Store
	host     *host.Host
	shelf    *release.Shelf
	dispatch *dispatch.Dispatcher
	metrics  *api.Metrics
	observe  []func(*inbox.Event, *inbox.Attempt)
	needs    running // belongs to the shelf's goroutine
	refusals *intake.Refusals

	forwarder atomic.Pointer[netip.Addr] // a peer nearby that speaks for others and is no trusted proxy; nil: none
}

// Run serves until ctx is done, then stops cleanly and returns nil. It returns an error of a kind when it cannot begin,
// or when the disk does not keep what is written.
func Run(ctx context.Context, s *config.Settings, o Options) error {
	if o.Demo {
		return runDemo(ctx, o)
	}
	if !o.NoSecret {
		if err := s.CheckSecrets(); err != nil {
			return err
		}
	}
	return run(ctx, s, o)
}

func run(ctx context.Context, s *config.Settings, o Options, watch ...func(*inbox.Event, *inbox.Attempt)) (err error) {
	for _, dir := range []string{s.Data, s.Plugins} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return inbox.Errorf(inbox.Invalid, "make "+dir, "%w", err).
				WithHint("choose a directory that this user can write with --data or INBOX_DATA")
		}
	}
	if err := datadir.Secure(s.Data, o.Log); err != nil {
		return err
	}
	if err := guardPlugins(s.Plugins, o.Log); err != nil {
		return err
	}
	lock, err := datadir.WaitLock(ctx, s.Data, 5*time.Second)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if o.Dev {
		watch = append(watch, showAttempts(o.Log))
	}
	h := &house{opt: o, settings: s, log: o.Log, metrics: api.NewMetrics(), observe: watch, needs: running{}}
	if h.store, err = store.Open(ctx, store.Options{
		Dir: s.Data, Create: true, Server: true, MinFree: s.MinFree, Log: o.Log, Fault: o.Harm.Fault, Now: o.Harm.Now,
	}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.store.Close()) }()
	h.refusals = intake.NewRefusals(o.Log, h.store)
	if h.host, err = host.New(ctx, host.Options{CacheDir: filepath.Join(s.Data, datadir.Cache), Log: o.Log}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.host.Close(context.WithoutCancel(ctx))) }()
	h.build()
	h.limitHeap()
	doors, err := h.listen(ctx)
	if err != nil {
		return err
	}
	defer doors.close()
	if err := lock.Announce(s.Data, datadir.Holding{PID: os.Getpid(), Socket: doors.at.Socket, Webhooks: doors.at.Webhooks, StartedAt: time.Now()}); err != nil {
		return err
	}
	return h.live(ctx, doors)
}

// guardPlugins refuses a plugins folder that somebody else could change, unless it is ours to mend.
func guardPlugins(dir string, log *slog.Logger) error {
	mended, err := release.Guard(dir, true)
	if mended != "" {
		log.Warn(mended)
	}
	return err
}

// build joins the rooms.
func (h *house) build() {
	h.dispatch = dispatch.New(dispatch.Options{
		Store: h.opt.Harm.queue(h.store), Log: h.log, Grace: attemptGrace, Low: h.store.Low, Busy: h.store.Busy, Paused: h.opt.Paused,
		Now: h.opt.Harm.Now, Aside: func(plugin string) { h.shelf.Reload(plugin) },
		Observe: func(e *inbox.Event, a *inbox.Attempt) {
			h.metrics.CountAttempt(a)
			for _, fn := range h.observe {
				fn(e, a)
			}
		},
	})
	h.shelf = release.New(release.Options{
		Dir: h.settings.Plugins, Kept: filepath.Join(h.settings.Data, datadir.Releases), Host: h.host, Keep: h.store, Watch: h.store, Log: h.log,
		Parallel: parallel(), Unpin: h.store.Unpin, OnChange: h.change, Head: h.store.Head,
	})
}

// limitHeap tells how large Go's heap may become with the plugins that run.
func (h *house) limitHeap() {
	if h.opt.LimitHeap != nil {
		h.opt.LimitHeap(heapLimit(h.needs.memory(h.settings, h.store.Head()).parts()))
	}
}

// change lets a plugin's new release make the attempts from now on.
func (h *house) change(c release.Change) {
	h.needs.change(c)
	h.limitHeap()
	if c.Live == nil {
		h.dispatch.SetLive(c.Plugin, nil)
		return
	}
	h.dispatch.SetLive(c.Plugin, &dispatch.Live{
		Release: c.Live.Release.ID, Manifest: c.Live.Manifest, Yields: c.Live.Yields,
		Run: tallied(&c.Live.Tally, h.opt.Harm.run(c.Live.Program.Attempt)),
	})
}

// tallied tells a tally of every attempt.
func tallied(t *release.Tally, run dispatch.Runner) dispatch.Runner {
	return func(ctx context.Context, e *inbox.Event, payload inbox.Payload, d inbox.Delivery, now time.Time) inbox.Outcome {
		defer t.Begin(time.Now())()
		return run(ctx, e, payload, d, now)
	}
}

// door is the handler that webhooks come to.
func (h *house) door() intake.Options {
	return intake.Options{
		Sources: h.settings.Doors(), Keep: h.opt.Harm.keep(h.store), Log: h.log, Proxies: h.settings.Proxies, Now: h.opt.Harm.Now,
		Refusals: h.refusals,
		Forwarded: func(peer netip.Addr) {
			if intake.Near(peer) {
				h.forwarder.Store(&peer)
			}
		},
		Observe: func(a intake.Answer) {
			if a.Unkept {
				h.store.CountUnkept(a.Status)
			}
			h.metrics.CountWebhook(api.Webhook{
				Source: a.Source, Code: a.Code, Status: a.Status, Secret: a.Secret, Size: a.Size, Duration: a.Duration, Lost: a.Lost,
			})
		},
	}
}

// live runs everything until ctx is done or a part fails, and stops it from left to right. Each part has a context of
// its own, so that one is stopped when those before it have ended.
func (h *house) live(ctx context.Context, doors *doors) error {
	whole, fall := context.WithCancelCause(ctx)
	defer fall(nil)
	storeEnd := h.start(whole, fall, "the store", h.store.Run)
	dispatchEnd := h.start(whole, fall, "the dispatcher", h.dispatch.Run)
	shelfEnd := h.start(whole, fall, "the plugins folder", h.shelf.Run)
	refusalsEnd := h.start(whole, fall, "the counts of what was refused", h.refusals.Run)
	doors.serve(fall)
	h.log.Info("ready", "webhooks", doors.at.Webhooks, "admin", doors.at.Admin, "data", h.settings.Data, "version", h.opt.Version)
	if h.opt.Ready != nil {
		h.opt.Ready(doors.at)
	}
	<-whole.Done()
	began := time.Now()
	h.log.Info("stopping: what runs may end, what waits is kept")
	doors.shutdown(cmp.Or(h.opt.Harm.Grace, requestGrace))
	dispatchEnd()
	shelfEnd()
	refusalsEnd()
	storeEnd()
	h.log.Info("stopped", "after", time.Since(began).Round(time.Millisecond))
	if cause := context.Cause(whole); ctx.Err() == nil && cause != nil {
		return cause
	}
	return nil
}

// start runs a part in a goroutine and returns what stops it and waits. A part that fails stops the whole.
func (h *house) start(whole context.Context, fall context.CancelCauseFunc, name string, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(whole))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := run(ctx); err != nil {
			h.log.Error("a part of the program failed", "part", name, "error", err)
			fall(fmt.Errorf("%s: %w", name, err))
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}
