// Package release turns the files of the plugins folder into releases that run.
//
// NAME.wasm is the plugin NAME; NAME.toml beside it is its manifest. The loader looks at the folder several times a second. A
// file that was the same in two looks is read, checked, compiled in the background and made live. Until then the release
// before it runs. A file that cannot become a release changes nothing but its own entry in the list. Modules that were live once
// are kept in a folder of their own, under the names of their contents, so that a rollback can run them.
package release

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"inbox/inbox"
	"inbox/inbox/host"
)

// Plugins keeps the position of each plugin in the log, and which of its releases runs.
type Plugins interface {
	Register(ctx context.Context, plugin string, from inbox.StartFrom) error
	Record(ctx context.Context, plugin string) (*inbox.PluginRecord, error)
	SetLive(ctx context.Context, plugin, release string) error
}

// Releases keeps the records of releases, with their manifests.
type Releases interface {
	SaveRelease(ctx context.Context, r inbox.Release) error
	Releases(ctx context.Context, plugin string) ([]inbox.Release, error) // newest first
}

// Keeper keeps plugins and releases.
type Keeper interface {
	Plugins
	Releases
}

// Modules keeps the bytes of releases, by the releases' ids. [ModuleDir] keeps them in a folder of this machine; a store
// for several machines would keep them with the records.
type Modules interface {
	Load(id string) ([]byte, error)
	Save(id string, wasm []byte) error // whole or not at all; a kept module is left as it is
}

// Options configure a Loader.
type Options struct {
	Dir      string // the plugins folder
	Kept     Modules
	Host     *host.Host
	Keep     Keeper
	Watch    Watcher
	OnChange func(Change) // called for every change, on Run's goroutine
	Log      *slog.Logger
	Parallel int              // default of a manifest's concurrency
	Tick     <-chan time.Time // looks at the folder; default: every 100 ms
	Now      func() time.Time // default time.Now
	Unpin    func(ctx context.Context, plugin string) error
	Head     func() int64 // newest seq of the log; nil: a new plugin begins after the newest event at the time when it goes live
}

// Live is a running release.
type Live struct {
	Release  inbox.Release
	Manifest inbox.Manifest // with its defaults
	Program  *host.Program
	Yields   bool  // it is the file's own: it is disabled when it puts its plugin on hold at once
	Tally    Tally // counts its attempts
	since    time.Time
	cleared  bool
	again    time.Time // before it, clearing is not repeated
}

// Change is a change of a plugin's running release.
type Change struct {
	Plugin string
	Live   *Live // nil: the file is gone
}

// Entry describes a plugin's file.
type Entry struct {
	Plugin string
	State  inbox.FileState
	Live   string // the running release; empty without one
	File   string // the release of the file; empty when the file cannot be one
	Err    string // why it was refused
	Hint   string
	Since  time.Time     // the time of the last change
	Info   *inbox.Module // of the running release

	Manifest *inbox.Manifest // of the running release
}

// Loader watches the folder. Make it with New, then call Run.
type Loader struct {
	opt     Options
	mu      sync.Mutex // guards the maps states and strays, the entry of each state, again and problem
	states  map[string]*pluginState
	strays  map[string]*pluginState // by the names of files
	problem string                  // why the folder cannot be read; empty when it can
	again   []string                // plugins whose files are read again
	wake    chan struct{}
	calls   chan func()
	began   int64        // newest seq when the loader was made
	reads   atomic.Int64 // how often the files of a plugin were read

	// The rest belongs to Run's goroutine.
	compilations []*compilation    // to be compiled, in order
	compiling    map[bool]bool     // whether a long compilation (true) or a short one (false) runs: each takes a core and much memory
	compiled     chan *compilation // finished ones
	unsure       string            // the last logged reason why the end of the process before is unknown
	closing      sync.WaitGroup
	counted      bool      // the crashes of the process before were counted
	turn         string    // plugin whose release of the crash loop runs alone; empty for none
	calm         time.Time // no release of the crash loop runs before: if the program ends even so, none of them is the cause
}

// pluginState is the state of one plugin. Its fields except entry belong to Run's goroutine.
type pluginState struct {
	seen, read string // stamps of the files: at the last look, and when they were read
	busy       bool   // a compilation of it waits or runs
	live       *Live
	waits      bool  // its release is in a crash loop and waits until it can run alone
	failures   int   // temporary errors in a row, such as a full disk, that kept the file from being a release
	wait       int   // looks until the next attempt; zero: none is planned
	start      int64 // seq after which the plugin begins if it is new
	found      *found
	entry      Entry // guarded by Loader.mu
}

// pollEvery is the time between two looks at the folder. A look costs well under a millisecond.
const pollEvery = 100 * time.Millisecond

// New returns a Loader. A new plugin whose files are in the folder already begins after the newest event of now.
func New(o Options) *Loader {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Loader{opt: o, states: map[string]*pluginState{}, wake: make(chan struct{}, 1), calls: make(chan func()), compiled: make(chan *compilation), compiling: map[bool]bool{}}
	if o.Head != nil {
		s.began = o.Head()
	} else {
		s.began = math.MaxInt64 - 1 // the store takes its newest
	}
	return s
}

// Run watches the folder until ctx is done, then closes every program after its running attempts. It does not wait for a module
// that is still being compiled, because that cannot be stopped.
func (s *Loader) Run(ctx context.Context) error {
	tick := s.opt.Tick
	if tick == nil {
		t := time.NewTicker(pollEvery)
		defer t.Stop()
		tick = t.C
	}
	for s.countCrashes(ctx); !s.counted && ctx.Err() == nil; s.countCrashes(ctx) {
		select {
		case <-tick:
		case <-ctx.Done():
		}
	}
	s.look(ctx, true)
	for ctx.Err() == nil {
		s.start(ctx)
		s.await(ctx, tick)
	}
	for _, b := range s.states {
		if b.live != nil {
			b.live.Program.Close(context.WithoutCancel(ctx))
		}
	}
	s.closing.Wait()
	s.endCleanly(ctx)
	return nil
}

// await waits for the next thing to do, and does it.
func (s *Loader) await(ctx context.Context, tick <-chan time.Time) {
	select {
	case <-tick:
		s.look(ctx, false)
	case <-s.wake:
		s.reread()
		s.look(ctx, false)
	case j := <-s.compiled:
		s.finish(ctx, j)
	case call := <-s.calls:
		call()
	case <-ctx.Done():
	}
}

// Reload reads a plugin's file again although it did not change, because its pin did.
func (s *Loader) Reload(plugin string) {
	s.mu.Lock()
	s.again = append(s.again, plugin)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // the wake-up that is pending covers this one too
	}
}

func (s *Loader) reread() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.again {
		if b := s.states[name]; b != nil && b.read != "" {
			b.read = readAgain
		}
	}
	s.again = nil
}

// Forget calls do while no release of the plugin runs or is compiled, and forgets the state of its files.
// It returns a Conflict when the plugin has files.
func (s *Loader) Forget(ctx context.Context, plugin string, do func() error) error {
	done := make(chan error, 1)
	call := func() {
		if b := s.states[plugin]; !s.gone(plugin) || (b != nil && (b.live != nil || b.busy)) {
			done <- inbox.Errorf(inbox.Conflict, "", "plugin %s has its file in the plugins folder, or runs", plugin).
				WithHint("take " + plugin + ".wasm and " + plugin + ".toml out of the plugins folder first")
			return
		}
		err := do()
		if err == nil {
			s.mu.Lock()
			delete(s.states, plugin)
			s.mu.Unlock()
		}
		done <- err
	}
	select {
	case s.calls <- call:
		return <-done
	case <-ctx.Done():
		return ctx.Err()
	}
}

// List returns all plugins that have or had a file, and the files that belong to no plugin, by name.
func (s *Loader) List() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Entry
	for _, b := range s.states {
		list = append(list, b.entry)
	}
	for _, b := range s.strays {
		if b.failures >= strayLooks {
			list = append(list, b.entry)
		}
	}
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Plugin, b.Plugin) })
	return list
}

// set stores the entry of a plugin's file, with the time of the change.
func (s *Loader) set(b *pluginState, e Entry) {
	if b.live != nil {
		e.Live = b.live.Release.ID
		info := b.live.Program.Info()
		e.Info, e.Manifest = &info, &b.live.Manifest
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e.Since = time.Now()
	if old := b.entry; old.State == e.State && old.Live == e.Live && old.File == e.File && old.Err == e.Err {
		e.Since = old.Since
	}
	b.entry = e
}
