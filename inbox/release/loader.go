// Package release turns the files of the plugins folder into releases that run.
//
// NAME.wasm is the plugin NAME; NAME.toml beside it is its manifest. The loader polls the folder several times a second. A file
// that was the same in two polls is read, checked, compiled in the background and made live. Until then the release before it
// runs. A file that cannot become a release changes only its own entry in the list. Modules that were live once are kept in
// another folder, under content-addressed names, so that a rollback can run them.
package release

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
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

// Modules keeps the wasm modules of releases, by release id. [ModuleDir] keeps them in a folder of this machine. A store for
// several machines would keep them with the records.
type Modules interface {
	Load(id string) ([]byte, error)
	Save(id string, wasm []byte) error // atomic; a kept module is not written again
}

// Options configure a Loader.
type Options struct {
	Dir      string // the plugins folder
	Kept     Modules
	Host     *host.Host
	Keep     Keeper
	Crashes  CrashStore
	OnChange func(Change) // called for every change, on Run's goroutine
	Log      *slog.Logger
	Parallel int              // default of a manifest's concurrency
	Tick     <-chan time.Time // each value polls the folder; default: every 100 ms
	Now      func() time.Time // default time.Now
	Unpin    func(ctx context.Context, plugin string) error
	Head     func() int64 // newest seq of the log; nil: a new plugin begins after the newest event at the time when it goes live
}

// Live is a running release.
type Live struct {
	Release  inbox.Release
	Manifest inbox.Manifest // with its defaults
	Program  *host.Program
	Yields   bool // it is the release of the plugin's file; it is disabled when it puts its plugin on hold at once
	Attempts AttemptCounter

	since      time.Time // when it went live
	cleared    bool      // its crash record was deleted
	retryClear time.Time // a failed deletion of the crash record is not repeated before
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

	Older bool // only its state_version keeps the release of the file from running: it is lower than that of the plugin's documents
}

// Loader watches the folder. Make it with New, then call Run. Run's goroutine takes every plugin through all steps from file to
// release. These steps share the states, so they are methods of one type. The folder, the compile queue and the crash loop are
// separate types.
type Loader struct {
	opt     Options
	mu      sync.Mutex // guards the maps states and strays, the entry of each state, reload and problem
	states  map[string]*pluginState
	strays  map[string]*pluginState // by file name
	problem string                  // why the folder cannot be read; empty when it can
	reload  []string                // plugins whose files are read again
	wake    chan struct{}
	calls   chan func()
	began   int64 // newest seq when the loader was made

	folder   *folder
	compiler *compileQueue
	crashes  *crashLoop
	closing  sync.WaitGroup // programs that are being closed
}

// pluginState is the state of one plugin. Its fields except entry belong to Run's goroutine.
type pluginState struct {
	seen, read   string // stamps of the files: at the last poll, and when they were read
	busy         bool   // a compilation of it waits or runs
	live         *Live
	waitsForSolo bool  // its release is in a crash loop and waits until it can run alone
	failures     int   // temporary errors in a row, such as a full disk, that kept the file from becoming a release
	wait         int   // polls until the next attempt; zero: none is planned
	start        int64 // seq after which the plugin begins if it is new
	files        *pluginFiles
	entry        Entry // guarded by Loader.mu
}

// pollInterval is the time between two polls of the folder. A poll takes well under a millisecond.
const pollInterval = 100 * time.Millisecond

// New returns a Loader. A new plugin whose files are already in the folder begins after the newest event of now.
func New(o Options) *Loader {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Loader{
		opt: o, states: map[string]*pluginState{}, wake: make(chan struct{}, 1), calls: make(chan func()),
		folder:   &folder{dir: o.Dir, parallel: o.Parallel, log: o.Log},
		compiler: newCompileQueue(&o),
		crashes:  &crashLoop{store: o.Crashes, log: o.Log, now: o.Now},
	}
	if o.Head != nil {
		s.began = o.Head()
	} else {
		s.began = math.MaxInt64 - 1 // the store replaces it by its newest seq
	}
	return s
}

// Run watches the folder until ctx is done, then closes every program after its running attempts. It does not wait for a running
// compilation, because a compilation cannot be stopped.
func (s *Loader) Run(ctx context.Context) error {
	tick := s.opt.Tick
	if tick == nil {
		t := time.NewTicker(pollInterval)
		defer t.Stop()
		tick = t.C
	}
	for s.crashes.count(ctx); !s.crashes.counted && ctx.Err() == nil; s.crashes.count(ctx) {
		select {
		case <-tick:
		case <-ctx.Done():
		}
	}
	s.poll(ctx, true)
	for ctx.Err() == nil {
		s.compiler.start(ctx)
		s.await(ctx, tick)
	}
	for _, b := range s.states {
		if b.live != nil {
			b.live.Program.Close(context.WithoutCancel(ctx))
		}
	}
	s.closing.Wait()
	s.crashes.endCleanly(ctx)
	return nil
}

// await waits for one poll, reload, compilation or call, and handles it.
func (s *Loader) await(ctx context.Context, tick <-chan time.Time) {
	select {
	case <-tick:
		s.poll(ctx, false)
	case <-s.wake:
		s.reread()
		s.poll(ctx, false)
	case j := <-s.compiler.done:
		s.finish(ctx, j)
	case call := <-s.calls:
		call()
	case <-ctx.Done():
	}
}

// Reload reads a plugin's files again although they did not change. It is called after a change of the plugin's pin.
func (s *Loader) Reload(plugin string) {
	s.mu.Lock()
	s.reload = append(s.reload, plugin)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // the pending wake-up covers this one too
	}
}

func (s *Loader) reread() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.reload {
		if b := s.states[name]; b != nil && b.read != "" {
			b.read = readAgain
		}
	}
	s.reload = nil
}

// Forget calls do while no release of the plugin runs or is compiled, and deletes the state of its files. The error is Conflict
// when the plugin has files.
func (s *Loader) Forget(ctx context.Context, plugin string, do func() error) error {
	done := make(chan error, 1)
	call := func() {
		if b := s.states[plugin]; !s.folder.missing(plugin) || (b != nil && (b.live != nil || b.busy)) {
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
		if b.failures >= strayPolls {
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
