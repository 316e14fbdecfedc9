package release

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/wasm"
)

// Describe returns the release of a module and its manifest. Its id is content-addressed, so it is the same on every machine.
// Describe does not check whether the release can run.
func Describe(plugin string, wasm, manifest []byte) inbox.Release {
	code := sha256.Sum256(wasm)
	all := sha256.New()
	all.Write(code[:])
	all.Write(manifest)
	return inbox.Release{
		ID: hex.EncodeToString(all.Sum(nil))[:16], Plugin: plugin, Wasm: hex.EncodeToString(code[:]), Size: int64(len(wasm)),
		Manifest: manifest, CreatedAt: time.Now(), Actor: "folder",
	}
}

// ModuleDir is a folder that keeps the modules of releases as files ID.wasm. Save creates the folder with mode 0700.
type ModuleDir string

func (d ModuleDir) file(id string) string { return filepath.Join(string(d), id+".wasm") }

// Load returns the module of a release.
func (d ModuleDir) Load(id string) ([]byte, error) { return readFile(d.file(id), wasm.MaxModule) }

// Save writes the module of a release, atomically.
func (d ModuleDir) Save(id string, file []byte) error {
	sum := sha256.Sum256(file)
	if kept, err := d.Load(id); err == nil && sha256.Sum256(kept) == sum {
		return nil
	}
	err := os.MkdirAll(string(d), 0o700)
	if err == nil {
		err = datadir.WriteFile(d.file(id), file, 0o600)
	}
	if err != nil {
		return inbox.Errorf(inbox.Unavailable, "save the module", "%w", err)
	}
	return nil
}

// Remove deletes the module of a release. A missing module is not an error.
func (d ModuleDir) Remove(id string) error {
	if err := os.Remove(d.file(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return inbox.Errorf(inbox.Unavailable, "delete a kept module", "%w", err).WithHint("the plugin was removed; the file may be deleted by hand")
	}
	return nil
}

// load reads the kept module of a release. The error is Conflict when the module has changed since it was saved.
func (s *Loader) load(r inbox.Release) ([]byte, error) {
	file, err := s.opt.Kept.Load(r.ID)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(file); hex.EncodeToString(sum[:]) != r.Wasm {
		return nil, inbox.Errorf(inbox.Conflict, "", "the kept module of release %s is damaged", r.ID).
			WithHint("put the module into the plugins folder again")
	}
	return file, nil
}
