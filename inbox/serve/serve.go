// Package serve builds the parts of the program, connects them, runs them, and stops them from left to right. The listeners stop
// first, so that nothing new arrives, then the plugins, and the store last, after the last settlement. The package also has the
// [Control] through which operators act, with a server and without. The decisions are in the other packages.
package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"inbox/inbox"
	"inbox/inbox/config"
	"inbox/inbox/datadir"
	"inbox/inbox/dispatch"
	"inbox/inbox/host"
	"inbox/inbox/intake"
	"inbox/inbox/operator"
	"inbox/inbox/outbox"
	"inbox/inbox/release"
	"inbox/inbox/store"
)

// Bounds of the time that each part takes to stop. Their sum is below eight seconds, the least that a supervisor allows.
const (
	requestGrace = 2 * time.Second // running requests
	attemptGrace = 4 * time.Second // running attempts
	sendGrace    = 1 * time.Second // running requests of plugins
)

// Options configure one run of a server, beside its settings.
type Options struct {
	Demo       *Demo // run the demo, with its own settings; nil: run a server
	NoSecret   bool  // start without webhook secrets
	Paused     bool  // start no plugin
	Dev        bool  // write each attempt's log and reason to the log, for authors of plugins
	NoWebhooks bool  // do not listen for webhooks; deliver stored events only
	Log        *slog.Logger
	Version    string
	Ready      func(Addresses)   // called when every listener is open; may be nil
	LimitHeap  func(bytes int64) // called when the plugins change, with the new limit of Go's heap; may be nil
	Hooks      Hooks             // hooks of `inbox torture` and tests
}

// Addresses are the addresses of a server. An address that is not open is empty.
type Addresses struct{ Webhooks, Admin, Health, Socket string }

// server is a running server.
type server struct {
	opt      Options
	settings *config.Settings
	log      *slog.Logger
	store    *store.Store
	host     *host.Host
	parts    *parts
	metrics  *operator.Metrics
	watches  []watch
	programs programs // used by the loader's goroutine only
	refusals *intake.Refusals
	outgoing *outgoing
}

// Run serves until ctx is done, then stops cleanly and returns nil. It returns an [inbox.Error] when it cannot start, or when
// a write does not reach the disk.
func Run(ctx context.Context, s *config.Settings, o Options) error {
	if o.Demo != nil {
		return runDemo(ctx, o)
	}
	if !o.NoSecret {
		if err := s.CheckSecrets(); err != nil {
			return err
		}
	}
	return run(ctx, s, o)
}

func run(ctx context.Context, s *config.Settings, o Options, watches ...watch) (err error) {
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
		watches = append(watches, watch{attempt: showAttempts(o.Log)})
	}
	v := &server{opt: o, settings: s, log: o.Log, metrics: operator.NewMetrics(), watches: watches, programs: programs{}, parts: &parts{}}
	if v.store, err = store.Open(ctx, store.Options{
		Dir: s.Data, Create: true, Server: true, MinFree: s.MinFree, Retention: s.Retention, Log: o.Log, Fault: o.Hooks.Fault, Now: o.Hooks.Now,
	}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.store.Close()) }()
	v.refusals = intake.NewRefusals(o.Log, v.store)
	v.outgoing = newOutgoing(v.settings, v.log, os.Getenv, v.opt.Version)
	if v.host, err = host.New(ctx, host.Options{CacheDir: cmp.Or(o.Hooks.Cache, filepath.Join(s.Data, datadir.Cache)), Log: o.Log, Client: v.outgoing.fetching}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.host.Close(context.WithoutCancel(ctx))) }()
	v.build()
	v.limitHeap()
	open, err := v.listen(ctx)
	if err != nil {
		return err
	}
	defer open.close()
	if err := lock.Announce(s.Data, datadir.Holding{PID: os.Getpid(), Socket: open.at.Socket, Webhooks: open.at.Webhooks, StartedAt: time.Now()}); err != nil {
		return err
	}
	return v.serve(ctx, open)
}

// guardPlugins rejects a plugins folder that other users can change. It corrects the mode if this user may.
func guardPlugins(dir string, log *slog.Logger) error {
	corrected, err := release.Guard(dir, true)
	if corrected != "" {
		log.Warn(corrected)
	}
	return err
}

// build connects the dispatcher and the loader.
func (v *server) build() {
	v.parts.rebuilds = newRebuilds(v.host)
	v.parts.dispatch = dispatch.New(dispatch.Options{
		Store: v.opt.Hooks.queue(v.store), Log: v.log, Grace: attemptGrace, Low: v.store.Low, Busy: v.store.Busy, Paused: v.opt.Paused,
		Now: v.opt.Hooks.Now, Disabled: func(plugin string) { v.parts.loader.Reload(plugin) },
		Observe: func(e *inbox.Event, a *inbox.Attempt) {
			v.metrics.CountAttempt(a)
			for _, w := range v.watches {
				if w.attempt != nil {
					w.attempt(e, a)
				}
			}
		},
	})
	v.parts.outgoing = v.outgoing
	v.parts.outbox = outbox.New(outbox.Options{
		Store: v.opt.Hooks.sends(v.store), Sender: v.opt.Hooks.send(v.outgoing), Policy: v.outgoing.policy, Term: v.store.Term(), Log: v.log, Now: v.opt.Hooks.Now, Grace: sendGrace,
		Bytes: sentBytes(newMemory(v.settings, 0).document),
		Idle:  func() bool { return v.store.Low() || v.parts.dispatch.Paused() },
		Observe: func(e *inbox.Effect, s *inbox.Sent, d inbox.Decision) {
			v.metrics.CountTry(e, s)
			for _, w := range v.watches {
				if w.send != nil {
					w.send(e, s, d)
				}
			}
		},
	})
	v.parts.loader = release.New(release.Options{
		Dir: v.settings.Plugins, Kept: modules(v.settings), Host: v.host, Keep: v.store, Crashes: v.store, Log: v.log,
		Parallel: parallel(), Unpin: v.store.Unpin, OnChange: v.change, Head: v.store.Head,
	})
}

// limitHeap reports the bytes that Go's heap may hold with the live releases.
func (v *server) limitHeap() {
	if v.opt.LimitHeap != nil {
		v.opt.LimitHeap(heapLimit(v.programs.memory(v.settings, v.store.Head()).parts()))
	}
}

// change passes a plugin's live release, or nil without one, to the dispatcher.
func (v *server) change(c release.Change) {
	v.programs.change(c)
	v.parts.rebuilds.change(c)
	v.limitHeap()
	v.outgoing.change(c)
	defer v.parts.outbox.Changed(c.Plugin)
	if c.Live == nil {
		v.parts.dispatch.SetLive(c.Plugin, nil)
		return
	}
	v.parts.dispatch.SetLive(c.Plugin, &dispatch.Live{
		Release: c.Live.Release.ID, Manifest: c.Live.Manifest, Yields: c.Live.Yields,
		UsesKV: c.Live.Program.UsesKV(), Fetches: c.Live.Program.Fetches(),
		Run: counted(&c.Live.Attempts, v.opt.Hooks.run(c.Live.Program.Attempt)),
	})
}

// counted returns a runner that counts its attempts in n.
func counted(n *release.AttemptCounter, run dispatch.Runner) dispatch.Runner {
	return func(ctx context.Context, w *inbox.Work) inbox.Outcome {
		defer n.Begin(time.Now())()
		return run(ctx, w)
	}
}

// webhookOptions returns the options of the webhook handler.
func (v *server) webhookOptions() intake.Options {
	return intake.Options{
		Sources: v.settings.IntakeSources(), Keep: v.opt.Hooks.keep(v.store), Log: v.log, Proxies: v.settings.Proxies, Now: v.opt.Hooks.Now,
		Refusals: v.refusals,
		Forwarded: func(peer netip.Addr) {
			if intake.Near(peer) {
				v.parts.forwarder.Store(&peer)
			}
		},
		Observe: func(a intake.Answer) {
			if a.Unkept {
				v.store.CountDropped(a.Status)
			}
			v.metrics.CountWebhook(operator.Webhook{
				Source: a.Source, Code: a.Code, Status: a.Status, Secret: a.Secret, Size: a.Size, Duration: a.Duration, Lost: a.Lost,
			})
		},
	}
}

// serve runs every part until ctx is done or a part fails, and then stops them from left to right. Each part has its own context,
// so that it stops after the parts before it have ended.
func (v *server) serve(ctx context.Context, open *listeners) error {
	whole, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	stopStore := v.start(whole, fail, "the store", v.store.Run)
	stopDispatch := v.start(whole, fail, "the dispatcher", v.parts.dispatch.Run)
	stopOutbox := v.start(whole, fail, "the outbox", v.parts.outbox.Run)
	stopLoader := v.start(whole, fail, "the plugins folder", v.parts.loader.Run)
	stopRefusals := v.start(whole, fail, "the counts of refused requests", v.refusals.Run)
	open.serve(fail)
	v.log.Info("ready", "webhooks", open.at.Webhooks, "admin", open.at.Admin, "data", v.settings.Data, "version", v.opt.Version)
	if v.opt.Ready != nil {
		v.opt.Ready(open.at)
	}
	<-whole.Done()
	start := time.Now()
	v.log.Info("stopping: running attempts may end, waiting events are kept")
	open.shutdown(cmp.Or(v.opt.Hooks.Grace, requestGrace))
	stopDispatch()
	stopOutbox()
	stopLoader()
	stopRefusals()
	stopStore()
	v.log.Info("stopped", "after", time.Since(start).Round(time.Millisecond))
	if cause := context.Cause(whole); ctx.Err() == nil && cause != nil {
		return cause
	}
	return nil
}

// start runs a part in a goroutine and returns a function that stops it and waits for its end. A part that fails calls fail.
func (v *server) start(whole context.Context, fail context.CancelCauseFunc, name string, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(whole))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := run(ctx); err != nil {
			v.log.Error("a part of the program failed", "part", name, "error", err)
			fail(fmt.Errorf("%s: %w", name, err))
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}
