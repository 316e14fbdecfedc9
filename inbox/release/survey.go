package release

import (
	"errors"
	"io/fs"
	"maps"
	"slices"

	"inbox/inbox"
)

// Found is a plugin of a folder.
type Found struct {
	Plugin   string
	Manifest inbox.Manifest // with its defaults
	Wasm     []byte
	Err      error // why it cannot be read; then it has neither
}

// Survey reads the plugins of a folder as a Shelf would, one after another, and hands each over. It makes none of them a
// release. parallel is the default of their concurrency. A folder that does not exist has none.
func Survey(dir string, parallel int, each func(Found)) error {
	stamps, err := stampsOf(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return inbox.Errorf(inbox.Unavailable, "read the plugins folder", "%w", err)
	}
	s := &Shelf{opt: Options{Dir: dir, Parallel: parallel}}
	for _, name := range slices.Sorted(maps.Keys(stamps)) {
		live, wasm, err := s.readFiles(name)
		each(Found{Plugin: name, Manifest: live.Manifest, Wasm: wasm, Err: err})
	}
	return nil
}
