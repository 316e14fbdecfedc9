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
	Err      error // why it is not a release
	Stray    bool  // the file belongs to no plugin
}

// Scan reads the plugins of a folder as a Loader would. It calls each for every plugin, then for every file that belongs to no
// plugin. It makes no release and writes nothing. parallel is the default of their concurrency. A folder that does not exist has
// no plugins. Scan does not check permissions, see [Guard].
func Scan(dir string, parallel int, each func(Found)) error {
	l, err := listFolder(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return inbox.Errorf(inbox.Unavailable, "read the plugins folder", "%w", err)
	}
	d := &folder{dir: dir, parallel: parallel}
	for _, name := range slices.Sorted(maps.Keys(l.stamps)) {
		f := d.readFiles(name, l.blocks[name], false)
		each(Found{Plugin: shown(name), Manifest: f.manifest, Wasm: f.wasm, Release: f.release, Err: f.err})
	}
	for _, file := range slices.Sorted(maps.Keys(l.strays)) {
		s := l.strays[file]
		each(Found{Plugin: shown(file), Stray: true, Err: inbox.Errorf(inbox.Invalid, "", "%s", s.why).WithHint(s.hint)})
	}
	return nil
}

// Candidate is a module with the manifest beside it, in any folder. It may ask for more than it is granted.
type Candidate struct {
	Release   inbox.Release
	Wasm      []byte
	Agreement *Agreement
}

// ReadCandidate reads FILE.wasm and, if it exists, FILE.toml beside it, as a Loader would. The error is NotFound when the module
// does not exist.
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

// ReadManifest reads and checks a file in the format of NAME.toml that is to be written into a module. The error is NotFound
// when the file does not exist.
func ReadManifest(path string) ([]byte, error) {
	text, err := readFile(path, MaxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, inbox.Errorf(inbox.NotFound, "read the requested manifest", "%w", err)
	}
	if err == nil {
		_, err = ParseManifest(text)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return text, nil
}

// ReadModule reads FILE.wasm, up to the largest size of a module. The error is NotFound when the file does not exist.
func ReadModule(path string) ([]byte, error) {
	wasm, err := readFile(path, wasm.MaxModule)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, inbox.Errorf(inbox.NotFound, "read the plugin", "%w", err)
	}
	return wasm, err
}
