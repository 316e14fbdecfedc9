package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"inbox/inbox"
	"inbox/inbox/host"
)

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// look compares the folder with what is known. A file must be the same in two looks, so that one that is still being
// copied is left alone; but what is there when the program begins is taken at once, so that a new plugin misses little.
func (s *Shelf) look(ctx context.Context, first bool) {
	stamps, err := stampsOf(s.opt.Dir)
	if err != nil {
		if s.unreadable != err.Error() {
			s.opt.Log.Warn("cannot read the plugins folder; what runs goes on", "error", err)
		}
		s.unreadable = err.Error()
		return
	}
	s.unreadable = ""
	s.open(stamps)
	s.patrol(ctx)
	for _, name := range slices.Sorted(maps.Keys(s.books)) {
		b, stamp := s.books[name], stamps[name]
		stable := first || stamp == b.seen
		b.seen = stamp
		if stable && !b.busy && ctx.Err() == nil && (stamp != b.read || b.due()) {
			s.read(ctx, name, b, stamp)
		}
	}
}

// open makes the books of plugins that are new.
func (s *Shelf) open(stamps map[string]string) {
	for name := range stamps {
		if s.books[name] == nil {
			s.mu.Lock()
			s.books[name] = &book{entry: Entry{Plugin: name}}
			s.mu.Unlock()
			s.set(s.books[name], Entry{Plugin: name, State: StateCompiling})
		}
	}
}

// read takes a plugin's files as they are now.
func (s *Shelf) read(ctx context.Context, name string, b *book, stamp string) {
	if stamp != b.read {
		b.tries, b.wait = 0, 0
	}
	if b.read = stamp; stamp == "" {
		s.takeAway(name, b)
	} else {
		s.bring(ctx, name, b)
	}
}

// due counts the looks until a file is tried again.
func (b *book) due() bool {
	if b.wait == 0 {
		return false
	}
	b.wait--
	return b.wait == 0
}

// mayPass has a file tried again after an error that passes by itself, such as a full disk.
func (b *book) mayPass(err error) {
	if kind := inbox.KindOf(err); kind == inbox.Unavailable || kind == inbox.Internal {
		b.postpone()
	}
}

// postpone has a file tried again after some looks, twice as many each time: about a second to a minute.
func (b *book) postpone() {
	b.wait = 10 << min(b.tries, 6)
	b.tries++
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
		stamps[name] = stampOfPlugin(dir, name)
	}
	return stamps, nil
}

func stampOfPlugin(dir, name string) string {
	return stampOf(filepath.Join(dir, name+".wasm")) + "|" + stampOf(filepath.Join(dir, name+".toml"))
}

// stampOf follows links, so that a folder of links to a mounted configuration works.
func stampOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "-"
	}
	return fmt.Sprint(info.Size(), info.ModTime().UnixNano(), inode(info))
}

// readFiles reads a plugin's module and manifest. The release has its id even when the manifest is wrong.
func (s *Shelf) readFiles(name string) (*Live, []byte, error) {
	live := &Live{}
	if !namePattern.MatchString(name) {
		return live, nil, inbox.Errorf(inbox.Invalid, "", "%q is not a name for a plugin", name).
			WithHint("use lower-case letters, digits, - and _, at most 64")
	}
	wasm, err := readFile(filepath.Join(s.opt.Dir, name+".wasm"), host.MaxModule)
	if err != nil {
		return live, nil, err
	}
	text, err := readFile(filepath.Join(s.opt.Dir, name+".toml"), MaxManifest)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return live, nil, err
	}
	live.Release = Describe(name, wasm, text)
	a, err := Agree(name, wasm, text, s.opt.Parallel)
	if err == nil {
		err = a.Err(name)
	}
	if err != nil {
		return live, nil, err
	}
	live.Manifest = a.Manifest
	return live, wasm, nil
}

// readFile reads a file of at most so many bytes. Anything but a file, such as a pipe, could keep its reader for ever.
func readFile(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, inbox.Errorf(inbox.Unavailable, "", "%w", err)
	case !info.Mode().IsRegular():
		return nil, inbox.Errorf(inbox.Invalid, "", "%s is not a file", filepath.Base(path))
	case info.Size() > most:
		return nil, inbox.Errorf(inbox.Invalid, "", "%s has %d bytes, more than %d", filepath.Base(path), info.Size(), most)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, inbox.Errorf(inbox.Unavailable, "", "%w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return nil, inbox.Errorf(inbox.Unavailable, "", "%w", err)
	}
	return b, nil
}
