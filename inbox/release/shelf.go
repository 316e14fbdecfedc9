// Package release turns the files of the plugins folder into releases that run.
//
// NAME.wasm is the plugin NAME; NAME.toml beside it is its manifest. The folder is looked at several times a second; a
// file that was the same in two looks is read, checked, compiled in the background and made live, while the release
// before it goes on until then. A file that cannot become a release changes nothing but what is said about it. What was
// live once is kept in a folder of its own under its content's name, so that the plugin can go back to it.
package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"inbox/inbox"
	"inbox/inbox/host"
)

// Keeper is what is kept of releases.
type Keeper interface {
	Register(ctx context.Context, plugin string, from inbox.StartFrom) error
	Load(ctx context.Context, plugin string) (*inbox.PluginRecord, []inbox.Lane, error)
	SaveRelease(ctx context.Context, r inbox.Release) error
	SetLive(ctx context.Context, plugin, release string) error
	Releases(ctx context.Context, plugin string) ([]inbox.Release, error) // newest first
}

// Options configure a Shelf.
type Options struct {
	Dir      string // the plugins folder
	Kept     string // the folder of releases
	Host     *host.Host
	Keep     Keeper
	OnChange func(Change) // told of every change, from one goroutine
	Log      *slog.Logger
	Parallel int              // default of a manifest's concurrency
	Tick     <-chan time.Time // looks at the folder; default: every 400 ms
	Unpin    func(ctx context.Context, plugin string) error
}

// Live is a release that runs.
type Live struct {
	Release  inbox.Release
	Manifest inbox.Manifest
	Program  *host.Program
}

// Change is a plugin's new release, or none.
type Change struct {
	Plugin string
	Live   *Live // nil: the file is gone
}

// State is the state of a plugin's file.
type State string

// The states.
const (
	StateLive      State = "live"      // the file is what runs
	StateCompiling State = "compiling" // the file is being made a release
	StateRefused   State = "refused"   // the file cannot become a release; the one before it goes on, if there is one
	StatePinned    State = "pinned"    // a rollback chose another release until the file changes
	StateAbsent    State = "absent"    // there is no file; the plugin keeps its place
)

// Entry is what is known of a plugin's file.
type Entry struct {
	Plugin string
	State  State
	Live   string // release that runs; empty for none
	File   string // release that the file is; empty when it is none
	Err    string // why it was refused
	Hint   string
	Since  time.Time
	Info   *host.Info // of the release that runs
}

// Shelf watches the folder. Make it with New, then call Run.
type Shelf struct {
	opt   Options
	mu    sync.Mutex
	books map[string]*book
	again chan string
}

// book is one plugin. Its fields but entry belong to Run's goroutine.
type book struct {
	seen, read string // stamps of the files: at the last look, and when they were read
	live       *Live
	entry      Entry // guarded by Shelf.mu
}

// pollEvery is how often the folder is looked at: a look costs well under a millisecond.
const pollEvery = 400 * time.Millisecond

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// New returns a Shelf.
func New(o Options) *Shelf {
	return &Shelf{opt: o, books: map[string]*book{}, again: make(chan string, 16)}
}

// Run watches until ctx is done, then ends every program after its running attempts.
func (s *Shelf) Run(ctx context.Context) error {
	tick := s.opt.Tick
	if tick == nil {
		t := time.NewTicker(pollEvery)
		defer t.Stop()
		tick = t.C
	}
	s.look(ctx, true)
	for {
		select {
		case <-tick:
			s.look(ctx, false)
		case name := <-s.again:
			if b := s.books[name]; b != nil {
				b.read = ""
			}
			s.look(ctx, false)
		case <-ctx.Done():
			for _, b := range s.books {
				if b.live != nil {
					b.live.Program.Close(context.WithoutCancel(ctx))
				}
			}
			return nil
		}
	}
}

// Reload has a plugin's file read again, although it did not change: after its pin did.
func (s *Shelf) Reload(plugin string) { s.again <- plugin }

// List returns all plugins that have or had a file, by name.
func (s *Shelf) List() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Entry
	for _, b := range s.books {
		list = append(list, b.entry)
	}
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Plugin, b.Plugin) })
	return list
}

// look compares the folder with what is known.
func (s *Shelf) look(ctx context.Context, first bool) {
	stamps, err := stampsOf(s.opt.Dir)
	if err != nil {
		s.opt.Log.Warn("cannot read the plugins folder", "error", err)
		return
	}
	for name := range stamps {
		if s.books[name] == nil {
			s.mu.Lock() // List reads the map
			s.books[name] = &book{}
			s.mu.Unlock()
			s.set(s.books[name], Entry{Plugin: name, State: StateCompiling})
		}
	}
	for name, b := range s.books {
		stamp := stamps[name]
		stable := first || stamp == b.seen
		b.seen = stamp
		if !stable || stamp == b.read || ctx.Err() != nil {
			continue
		}
		b.read = stamp
		if stamp == "" {
			s.takeAway(b)
		} else {
			s.bring(ctx, name, b)
		}
	}
}

// stampsOf returns, for every plugin in the folder, what changes when its files do.
func stampsOf(dir string) (map[string]string, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	stamps := map[string]string{}
	for _, f := range files {
		name, isWasm := strings.CutSuffix(f.Name(), ".wasm")
		if !isWasm || strings.HasPrefix(name, ".") {
			continue
		}
		stamps[name] = stampOf(filepath.Join(dir, f.Name())) + "|" + stampOf(filepath.Join(dir, name+".toml"))
	}
	return stamps, nil
}

// stampOf follows links, so that a folder of links to a mounted configuration works.
func stampOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "-"
	}
	return fmt.Sprint(info.Size(), info.ModTime().UnixNano(), inode(info))
}

func (s *Shelf) set(b *book, e Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.Since = time.Now()
	if b.live != nil {
		e.Live = b.live.Release.ID
		info := b.live.Program.Info()
		e.Info = &info
	}
	b.entry = e
}

func (s *Shelf) takeAway(b *book) {
	s.opt.Log.Info("the plugin's file is gone; it pauses and keeps its place", "plugin", b.entry.Plugin)
	s.replace(b, b.entry.Plugin, nil)
	s.set(b, Entry{Plugin: b.entry.Plugin, State: StateAbsent})
}

// replace makes another release run. The one before it ends with its running attempts.
func (s *Shelf) replace(b *book, plugin string, live *Live) {
	old := b.live
	b.live = live
	s.opt.OnChange(Change{Plugin: plugin, Live: live})
	if old != nil {
		go old.Program.Close(context.Background())
	}
}

// bring makes a plugin's files a release and lets it run. What cannot become one is said, and changes nothing else.
func (s *Shelf) bring(ctx context.Context, name string, b *book) {
	file, err := s.readFile(name)
	if b.entry.File == "" || b.entry.File != file.Release.ID { // what is only looked at again goes on as it is
		s.set(b, Entry{Plugin: name, State: StateCompiling})
	}
	entry := Entry{Plugin: name, State: StateLive, File: file.Release.ID}
	if err == nil {
		var pinned bool
		if pinned, err = s.choose(ctx, b, file); pinned {
			entry.State = StatePinned
		}
	}
	if err != nil {
		entry.State, entry.Err, entry.Hint = StateRefused, err.Error(), inbox.HintOf(err)
		s.opt.Log.Error("the plugin's file was refused", "plugin", name, "error", err, "hint", entry.Hint)
		if b.live == nil {
			s.fallBack(ctx, name, b)
		}
	}
	s.set(b, entry)
}

// readFile reads a plugin's files. The release has its id even when the manifest is wrong.
func (s *Shelf) readFile(name string) (*Live, error) {
	live := &Live{}
	if !namePattern.MatchString(name) {
		return live, inbox.Errorf(inbox.Invalid, "", "%q is not a name for a plugin", name).
			WithHint("use lower-case letters, digits, - and _, at most 64")
	}
	wasm, err := os.ReadFile(filepath.Join(s.opt.Dir, name+".wasm"))
	if err != nil {
		return live, inbox.Errorf(inbox.Unavailable, "", "%w", err)
	}
	text, err := os.ReadFile(filepath.Join(s.opt.Dir, name+".toml"))
	if err != nil && !os.IsNotExist(err) {
		return live, inbox.Errorf(inbox.Unavailable, "", "%w", err)
	}
	live.Release = describe(name, wasm, text)
	live.Manifest, err = ParseManifest(text)
	if err != nil {
		return live, fmt.Errorf("%s.toml: %w", name, err)
	}
	return live, s.save(live.Release.ID, wasm)
}

// describe gives content its id.
func describe(plugin string, wasm, manifest []byte) inbox.Release {
	code := sha256.Sum256(wasm)
	all := sha256.New()
	all.Write(code[:])
	all.Write(manifest)
	return inbox.Release{
		ID: hex.EncodeToString(all.Sum(nil))[:16], Plugin: plugin, Wasm: hex.EncodeToString(code[:]), Size: int64(len(wasm)),
		Manifest: manifest, CreatedAt: time.Now(), Actor: "folder",
	}
}

// choose compiles what shall run, the file or the release it was rolled back to, and lets it run.
func (s *Shelf) choose(ctx context.Context, b *book, file *Live) (pinned bool, err error) {
	name := file.Release.Plugin
	record, _, err := s.opt.Keep.Load(ctx, name)
	if inbox.KindOf(err) == inbox.NotFound {
		record, err = &inbox.PluginRecord{}, nil // it has never run
	}
	if err != nil {
		return false, err
	}
	if record.Pinned != "" && record.PinnedOff == file.Release.ID {
		return true, s.runKept(ctx, name, record.Pinned, b)
	}
	if record.Pinned != "" {
		if err := s.opt.Unpin(ctx, name); err != nil {
			return false, err
		}
	}
	if b.live != nil && b.live.Release.ID == file.Release.ID {
		return false, nil
	}
	return false, s.run(ctx, b, file)
}

// run compiles a release and makes it live.
func (s *Shelf) run(ctx context.Context, b *book, live *Live) error {
	wasm, err := os.ReadFile(s.kept(live.Release.ID))
	if err != nil {
		return inbox.Errorf(inbox.Unavailable, "read the release", "%w", err)
	}
	live.Manifest = live.Manifest.WithDefaults(s.opt.Parallel)
	if live.Program, err = s.opt.Host.Compile(ctx, wasm, &live.Manifest); err != nil {
		return err
	}
	r := live.Release
	// Only now is the plugin known: one that never ran has no place in the log to fall behind from.
	err = s.opt.Keep.Register(ctx, r.Plugin, live.Manifest.StartFrom)
	if err == nil {
		err = s.opt.Keep.SaveRelease(ctx, r)
	}
	if err == nil {
		err = s.opt.Keep.SetLive(ctx, r.Plugin, r.ID)
	}
	if err != nil {
		live.Program.Close(context.WithoutCancel(ctx))
		return err
	}
	s.replace(b, r.Plugin, live)
	s.opt.Log.Info("plugin is live", "plugin", r.Plugin, "release", r.ID, "kind", live.Program.Info().Kind, "bytes", r.Size)
	return nil
}

// runKept makes a release of the past live.
func (s *Shelf) runKept(ctx context.Context, plugin, id string, b *book) error {
	if b.live != nil && b.live.Release.ID == id {
		return nil
	}
	releases, err := s.opt.Keep.Releases(ctx, plugin)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(releases, func(r inbox.Release) bool { return r.ID == id })
	if i < 0 {
		return inbox.Errorf(inbox.NotFound, "", "plugin %s has no release %s", plugin, id).WithHint("`inbox plugin inspect " + plugin + "` lists them")
	}
	m, err := ParseManifest(releases[i].Manifest)
	if err != nil {
		return fmt.Errorf("release %s: %w", id, err)
	}
	return s.run(ctx, b, &Live{Release: releases[i], Manifest: m})
}

// fallBack runs what ran last, when the program starts with a file that cannot become a release.
func (s *Shelf) fallBack(ctx context.Context, name string, b *book) {
	record, _, err := s.opt.Keep.Load(ctx, name)
	if err != nil || record.Live == "" {
		return
	}
	if err := s.runKept(ctx, name, record.Live, b); err != nil {
		s.opt.Log.Error("the release that ran last cannot run either", "plugin", name, "release", record.Live, "error", err)
	}
}

func (s *Shelf) kept(id string) string { return filepath.Join(s.opt.Kept, id+".wasm") }

// save keeps a module under its release's id, whole or not at all.
func (s *Shelf) save(id string, wasm []byte) error {
	path := s.kept(id)
	if info, err := os.Stat(path); err == nil && info.Size() == int64(len(wasm)) {
		return nil
	}
	err := os.MkdirAll(s.opt.Kept, 0o700)
	var f *os.File
	if err == nil {
		f, err = os.CreateTemp(s.opt.Kept, ".new-*")
	}
	if err != nil {
		return inbox.Errorf(inbox.Unavailable, "keep the release", "%w", err)
	}
	defer os.Remove(f.Name()) // gone already when all went well
	if _, err = f.Write(wasm); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Chmod(f.Name(), fs.FileMode(0o600))
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return inbox.Errorf(inbox.Unavailable, "keep the release", "%w", err)
	}
	return nil
}
