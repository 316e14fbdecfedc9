package release

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"inbox/inbox"
	"inbox/inbox/wasm"
)

// Found is a plugin of a folder.
type Found struct {
	Plugin   string
	Manifest inbox.Manifest // with its defaults
	Wasm     []byte
	Release  inbox.Release
	Err      error // why it is no release
	Stray    bool  // it is a file that belongs to no plugin
}

// Scan reads the plugins of a folder as a Loader would, one after another, and calls each for every plugin, then for the files that
// belong to no plugin. It makes no release and changes nothing. parallel is the default of their concurrency. A folder that does
// not exist has no plugins. [Guard] checks who else may write to the folder.
func Scan(dir string, parallel int, each func(Found)) error {
	l, err := listOf(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return inbox.Errorf(inbox.Unavailable, "read the plugins folder", "%w", err)
	}
	s := &Loader{opt: Options{Dir: dir, Parallel: parallel}}
	for _, name := range slices.Sorted(maps.Keys(l.stamps)) {
		f := s.readFiles(name, l.blocks[name], false)
		each(Found{Plugin: shown(name), Manifest: f.manifest, Wasm: f.wasm, Release: f.release, Err: f.err})
	}
	for _, file := range slices.Sorted(maps.Keys(l.strays)) {
		one := l.strays[file]
		each(Found{Plugin: shown(file), Stray: true, Err: inbox.Errorf(inbox.Invalid, "", "%s", one.why).WithHint(one.hint)})
	}
	return nil
}

// Candidate is a module, with the manifest beside it, that need not lie in a plugins folder and may ask for more than it is
// granted.
type Candidate struct {
	Release   inbox.Release
	Wasm      []byte
	Agreement *Agreement
}

// ReadCandidate reads FILE.wasm and, if there is one, FILE.toml beside it, as a Loader would. The error is NotFound when there is
// no such module.
func ReadCandidate(path string) (*Candidate, error) {
	stem := strings.TrimSuffix(path, ".wasm")
	name := filepath.Base(stem)
	wasm, err := readFile(path, wasm.MaxModule)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, inbox.Errorf(inbox.NotFound, "read the plugin", "%w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read the plugin: %w", err)
	}
	text, err := readFile(stem+".toml", MaxManifest)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	c := &Candidate{Release: Describe(name, wasm, text), Wasm: wasm}
	if c.Release.Asks, err = Asks(wasm); err != nil {
		return nil, err
	}
	c.Agreement, err = AgreeWith(name, c.Release.Asks, text, 1)
	return c, err
}

// ReadManifest reads a file of the form of NAME.toml, for a module that is to carry it, and checks it.
func ReadManifest(path string) ([]byte, error) {
	text, err := readFile(path, MaxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, inbox.Errorf(inbox.NotFound, "read what it asks for", "%w", err)
	}
	if err == nil {
		_, err = ParseManifest(text)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return text, nil
}

// ReadModule reads FILE.wasm within the bounds of a module.
func ReadModule(path string) ([]byte, error) {
	wasm, err := readFile(path, wasm.MaxModule)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, inbox.Errorf(inbox.NotFound, "read the plugin", "%w", err)
	}
	return wasm, err
}
