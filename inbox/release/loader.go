// Package release turns the files of the plugins folder into releases that run.
//
// NAME.wasm is the plugin NAME; NAME.toml beside it is its manifest. The folder is looked at several times a second; a
// file that was the same in two looks is read, checked, compiled in the background and made live, while the release
// before it goes on until then. A file that cannot become a release changes nothing but what is said about it. What was
// live once is kept in a folder of its own under its content's name, so that the plugin can go back to it.
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

// Keeper is both.
type Keeper interface {
	Plugins
	Releases
}

// Modules keeps the bytes of releases, by the releases' ids. [ModuleDir] keeps them in a folder of this machine; a store
// for several machines would keep them with the records.
type Modules interface {
	Load(id string) ([]byte, error)
	Save(id string, wasm []byte) error // whole or not at all; what is kept already is left as it is
}

// Options configure a Loader.
type Options struct {
	Dir      string // the plugins folder
	Kept     Modules
	Host     *host.Host
	Keep     Keeper
	Watch    Watcher
	OnChange func(Change) // told of every change, from Run's goroutine
	Log      *slog.Logger
	Parallel int              // default of a manifest's concurrency
	Tick     <-chan time.Time // looks at the folder; default: every 100 ms
	Now      func() time.Time // default time.Now
	Unpin    func(ctx context.Context, plugin string) error
	Head     func() int64 // newest seq of the log; nil: a new plugin begins after what is stored when it goes live
}

// Live is a release that runs.
type Live struct {
	Release  inbox.Release
	Manifest inbox.Manifest // with its defaults
	Program  *host.Program
	Yields   bool  // it is the file's own: it is disabled when it puts its plugin on hold at once
	Tally    Tally // told of every attempt
	since    time.Time
	cleared  bool
	again    time.Time // before it, clearing is not repeated
}

// Change is a plugin's new release, or none.
type Change struct {
	Plugin string
	Live   *Live // nil: the file is gone
}

// Entry is what is known of a plugin's file.
type Entry struct {
	Plugin string
	State  inbox.FileState
	Live   string // release that runs; empty for none
	File   string // release that the file is; empty when it cannot be one
	Err    string // why it was refused
	Hint   string
	Since  time.Time     // the time of the last change
	Info   *inbox.Module // of the release that runs

	Manifest *inbox.Manifest // of the release that runs
}

// Loader watches the folder. Make it with New, then call Run.
type Loader struct {
	opt     Options
	mu      sync.Mutex // guards books and strays as maps, the entry of each book, again and trouble
	states  map[string]*pluginState
	strays  map[string]*pluginState // by the names of files
	problem string                  // why the folder cannot be read; empty when it can
	again   []string                // plugins to be read again
	wake    chan struct{}
	calls   chan func()
	began   int64        // newest seq when it was made
	reads   atomic.Int64 // how often the files of a plugin were read

	// The rest belongs to Run's goroutine.
	compilations []*compilation    // to be compiled, in order
	compiling    map[bool]bool     // one of those that take long is, or of the others: compiling takes a core and much memory
	compiled     chan *compilation // hands it back
	unsure       string            // why it is not known how the program ended before, as last said
	closing      sync.WaitGroup
	counted      bool      // what the end before says of the releases is known
	turn         string    // plugin whose release of the crash loop runs alone; empty for none
	calm         time.Time // no release of the crash loop runs before: if the program ends even so, none of them is the cause
}

// book is one plugin. Its fields but entry belong to Run's goroutine.
type pluginState struct {
	seen, read string // stamps of the files: at the last look, and when they were read
	busy       bool   // a job of it waits or is compiled
	live       *Live
	waits      bool  // its release is in a crash loop and waits until it can run alone
	failures   int   // since something that passes, such as a full disk, kept the file from being a release
	wait       int   // looks until the next attempt; zero: none is planned
	start      int64 // seq after which the plugin begins if it is new
	found      *found
	entry      Entry // guarded by Loader.mu
}

// pollEvery is how often the folder is looked at: a look costs well under a millisecond.
const pollEvery = 100 * time.Millisecond

// New returns a Loader. A plugin whose files are there already, and that is new, begins after what is stored now.
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

// Run watches until ctx is done, then ends every program after its running attempts. A module that is being compiled then,
// which cannot be stopped, is not waited for.
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

// await does what is to be done next.
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

// Reload has a plugin's file read again, although it did not change: after its pin did.
func (s *Loader) Reload(plugin string) {
	s.mu.Lock()
	s.again = append(s.again, plugin)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // it will see this one too
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
// It is a Conflict when it has files.
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

// List returns all plugins that have or had a file, and the files that belong to none, by name.
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

// set says what is known of a plugin's file, and since when.
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
