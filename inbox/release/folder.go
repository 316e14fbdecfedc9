package release

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/wasm"
)

// look compares the folder with the known states. A file must be the same in two looks, so that a file that is still being
// copied is not read. Files that are in the folder at the start are read at once, so that a new plugin misses little.
func (s *Loader) look(ctx context.Context, first bool) {
	l, err := s.list()
	if err != nil {
		s.unreadable(err)
		return
	}
	s.unreadable(nil)
	s.gather(l, first)
	s.open(l.stamps)
	s.checkRunning(ctx, l.stamps)
	for _, name := range slices.Sorted(maps.Keys(s.states)) {
		b, stamp := s.states[name], l.stamps[name]
		stable := first || stamp == b.seen
		if stamp != b.seen && (b.seen == "" || b.entry.State == inbox.FileRefused) {
			b.start = s.head(first) // its files of now are new
		}
		b.seen = stamp
		if stable && !b.busy && ctx.Err() == nil && (stamp != b.read || b.due()) {
			s.read(ctx, name, b, l)
		}
	}
}

// list reads the folder, unless another user could have changed it.
func (s *Loader) list() (*listing, error) {
	mended, err := Guard(s.opt.Dir, true)
	if err != nil {
		return nil, err
	}
	if mended != "" {
		s.opt.Log.Warn(mended)
	}
	return listOf(s.opt.Dir)
}

// unreadable logs once why the folder cannot be read. nil ends that.
func (s *Loader) unreadable(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	s.mu.Lock()
	was := s.problem
	s.problem = text
	s.mu.Unlock()
	if err != nil && was != text {
		s.opt.Log.Warn("cannot read the plugins folder; what runs goes on", "error", err, "hint", inbox.HintOf(err))
	}
}

// Problem returns why the folder cannot be read, "" when it can.
func (s *Loader) Problem() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

// strayLooks is the number of looks that must find a stray file before it is listed, because a manifest comes before its module.
const strayLooks = 5

// gather notes the files that belong to no plugin.
func (s *Loader) gather(l *listing, first bool) {
	now := map[string]*pluginState{}
	for _, file := range slices.Sorted(maps.Keys(l.strays)) {
		one, b := l.strays[file], s.strays[file]
		if b == nil || b.entry.Err != one.why {
			b = &pluginState{entry: Entry{Plugin: shown(file), State: inbox.FileStray, Err: one.why, Hint: one.hint, Since: s.opt.Now()}}
		}
		now[file] = b
		if b.failures++; b.failures == strayLooks || (first && b.failures == 1) {
			b.failures = strayLooks
			s.opt.Log.Warn("a file in the plugins folder belongs to no plugin", "file", b.entry.Plugin, "reason", one.why, "hint", one.hint)
		}
	}
	s.mu.Lock()
	s.strays = now
	s.mu.Unlock()
}

// open makes the states of new plugins.
func (s *Loader) open(stamps map[string]string) {
	for name := range stamps {
		if s.states[name] == nil {
			b := &pluginState{entry: Entry{Plugin: shown(name)}}
			s.mu.Lock()
			s.states[name] = b
			s.mu.Unlock()
			s.set(b, Entry{Plugin: shown(name), State: inbox.FileCompiling})
		}
	}
}

// head returns the seq after which a plugin begins that is first seen now. At the first look it is the seq of the start, before
// the program accepted any event.
func (s *Loader) head(first bool) int64 {
	if first || s.opt.Head == nil {
		return s.began
	}
	return s.opt.Head()
}

// read reads a plugin's files as they are now.
func (s *Loader) read(ctx context.Context, name string, b *pluginState, l *listing) {
	stamp := l.stamps[name]
	if stamp != b.read {
		b.failures, b.wait = 0, 0
	}
	if b.read = stamp; stamp == "" {
		s.takeAway(name, b)
	} else {
		s.prepare(ctx, name, b, l)
	}
}

// due counts the looks until a file is read again.
func (b *pluginState) due() bool {
	if b.wait == 0 {
		return false
	}
	b.wait--
	return b.wait == 0
}

// mayPass plans another read of a file after an error that passes by itself, such as a full disk.
func (b *pluginState) mayPass(err error) {
	if kind := inbox.KindOf(err); kind == inbox.Unavailable || kind == inbox.Internal {
		b.postpone()
	}
}

// postpone plans another read of a file after some looks, twice as many each time: about a second to a minute.
func (b *pluginState) postpone() {
	b.wait = 10 << min(b.failures, 6)
	b.failures++
}

// found describes a plugin's files.
type found struct {
	release  inbox.Release  // with its id even when the manifest is wrong
	manifest inbox.Manifest // with its defaults
	wasm     []byte         // nil once the release is known
	bare     bool           // NAME.toml is missing or empty: a full disk leaves such files
	stamp    string         // of the files it was read from
	err      error          // why they are no release
}

// find reads a plugin's files, unless they did not change since the last read: a module may have 32 MiB.
func (s *Loader) find(b *pluginState, name, blocked string) *found {
	if f := b.found; f != nil && f.stamp == b.read {
		return f
	}
	f := s.readFiles(name, blocked, true)
	f.stamp = b.read
	b.found = nil
	if kind := inbox.KindOf(f.err); f.err == nil || kind == inbox.Invalid {
		known := *f
		known.wasm = nil
		b.found = &known
	}
	return f
}

// readFiles reads a plugin's module and manifest. With mend it corrects the modes of files of this user.
func (s *Loader) readFiles(name, blocked string, mend bool) *found {
	s.reads.Add(1)
	f := &found{}
	f.err = s.readInto(f, name, blocked, mend)
	return f
}

func (s *Loader) readInto(f *found, name, blocked string, mend bool) error {
	if !inbox.IsPluginName(name) {
		return inbox.Errorf(inbox.Invalid, "", "%q is not a name for a plugin", shown(name)).
			WithHint("use lower-case letters, digits, - and _, at most 64")
	}
	wasm, err := s.readFile(name+".wasm", wasm.MaxModule, mend)
	if err != nil {
		return err
	}
	text, err := s.readFile(name+".toml", MaxManifest, mend)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f.bare = len(bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))) == 0
	f.release, f.wasm = Describe(name, wasm, text), wasm
	if f.bare && blocked != "" {
		return inbox.Errorf(inbox.Invalid, "", "its manifest seems to be %q, which is not read", shown(blocked)).
			WithHint("rename it to " + name + ".toml; or remove it")
	}
	if f.release.Asks, err = Asks(wasm); err != nil {
		return err
	}
	a, err := AgreeWith(name, f.release.Asks, text, s.opt.Parallel)
	if err == nil {
		err = a.Err(name)
	}
	if err == nil {
		f.manifest = a.Manifest
	}
	return err
}

// readFile reads a file of the folder, unless another user could have changed it.
func (s *Loader) readFile(name string, most int64, mend bool) ([]byte, error) {
	path := filepath.Join(s.opt.Dir, name)
	b, err := readFile(path, most)
	if err != nil {
		return nil, err
	}
	mended, err := guard(s.opt.Dir, path, name, mend)
	if err != nil {
		return nil, err
	}
	if mended != "" {
		s.opt.Log.Warn(mended)
	}
	return b, nil
}

// readFile is [datadir.Read] with errors of a kind. A file that is too large, or not regular, stays refused until it changes.
func readFile(path string, most int64) ([]byte, error) {
	b, err := datadir.Read(path, most)
	switch {
	case err == nil:
		return b, nil
	case errors.Is(err, datadir.ErrNotRegular):
		return nil, inbox.Errorf(inbox.Invalid, "", "%w", err).WithHint("put a file in its place, or a link to one")
	case errors.Is(err, datadir.ErrTooLarge):
		return nil, inbox.Errorf(inbox.Invalid, "", "%w", err)
	}
	return nil, inbox.Errorf(inbox.Unavailable, "", "%w", err)
}

// gone reports whether a plugin's module was removed.
func (s *Loader) gone(name string) bool {
	_, err := os.Lstat(filepath.Join(s.opt.Dir, name+".wasm"))
	return errors.Is(err, fs.ErrNotExist)
}
