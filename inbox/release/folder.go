package release

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/wasm"
)

// folder reads the files of the plugins folder.
type folder struct {
	dir      string
	parallel int          // default of a manifest's concurrency
	log      *slog.Logger // for corrected file modes
	reads    atomic.Int64 // number of reads of a plugin's files
}

// list reads the folder, unless another user could have changed it.
func (d *folder) list() (*listing, error) {
	fixed, err := Guard(d.dir, true)
	if err != nil {
		return nil, err
	}
	if fixed != "" {
		d.log.Warn(fixed)
	}
	return listFolder(d.dir)
}

// pluginFiles are the module and the manifest of a plugin.
type pluginFiles struct {
	release    inbox.Release  // with its id even when the manifest is invalid
	manifest   inbox.Manifest // with its defaults
	wasm       []byte         // nil once the release is known
	noManifest bool           // NAME.toml is missing or empty; a full disk leaves empty files
	stamp      string         // of the files when they were read
	err        error          // why they are not a release
}

// readFiles reads a plugin's module and manifest. With fix it corrects the modes of files of this user.
func (d *folder) readFiles(name, blocked string, fix bool) *pluginFiles {
	d.reads.Add(1)
	f := &pluginFiles{}
	f.err = d.readInto(f, name, blocked, fix)
	return f
}

func (d *folder) readInto(f *pluginFiles, name, blocked string, fix bool) error {
	if !inbox.IsPluginName(name) {
		return inbox.Errorf(inbox.Invalid, "", "%q is not a name for a plugin", shown(name)).
			WithHint("use lower-case letters, digits, - and _, at most 64")
	}
	wasm, err := d.readFile(name+".wasm", wasm.MaxModule, fix)
	if err != nil {
		return err
	}
	text, err := d.readFile(name+".toml", MaxManifest, fix)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f.noManifest = len(bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))) == 0
	f.release, f.wasm = Describe(name, wasm, text), wasm
	if f.noManifest && blocked != "" {
		return inbox.Errorf(inbox.Invalid, "", "its manifest seems to be %q, which is not read", shown(blocked)).
			WithHint("rename it to " + name + ".toml; or remove it")
	}
	if f.release.Asks, err = Asks(wasm); err != nil {
		return err
	}
	a, err := AgreeWith(name, f.release.Asks, text, d.parallel)
	if err == nil {
		err = a.Err(name)
	}
	if err == nil {
		f.manifest = a.Manifest
	}
	return err
}

// readFile reads a file of the folder, unless another user could have changed it.
func (d *folder) readFile(name string, limit int64, fix bool) ([]byte, error) {
	path := filepath.Join(d.dir, name)
	b, err := readFile(path, limit)
	if err != nil {
		return nil, err
	}
	fixed, err := guard(d.dir, path, name, fix)
	if err != nil {
		return nil, err
	}
	if fixed != "" {
		d.log.Warn(fixed)
	}
	return b, nil
}

// readFile is [datadir.Read] with an error kind. A file that is too large or not regular is Invalid: it stays refused until it
// changes.
func readFile(path string, limit int64) ([]byte, error) {
	b, err := datadir.Read(path, limit)
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

// missing reports whether the folder has no module of the plugin.
func (d *folder) missing(name string) bool {
	_, err := os.Lstat(filepath.Join(d.dir, name+".wasm"))
	return errors.Is(err, fs.ErrNotExist)
}

// changed reports whether the files of a plugin are no longer those that were compiled. Its manifest may have been added
// meanwhile.
func (d *folder) changed(j *compilation) bool {
	if !j.live.Yields || j.state.read == readAgain {
		return false
	}
	name := j.live.Release.Plugin
	l, err := listFolder(d.dir)
	if err != nil || l.stamps[name] == j.state.read {
		return false
	}
	now := d.readFiles(name, l.blocks[name], true)
	return now.err != nil || now.release.ID != j.live.Release.ID
}
