package release

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"time"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/host"
)

// Describe returns the release that a module and its manifest are, with its id: content-addressed, so the same
// everywhere. It does not say whether they can run.
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

func (s *Shelf) kept(id string) string { return filepath.Join(s.opt.Kept, id+".wasm") }

// load reads a kept module. One that is not what it was is not run.
func (s *Shelf) load(r inbox.Release) ([]byte, error) {
	wasm, err := readFile(s.kept(r.ID), host.MaxModule)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(wasm); hex.EncodeToString(sum[:]) != r.Wasm {
		return nil, inbox.Errorf(inbox.Conflict, "", "the kept module of release %s is damaged", r.ID).
			WithHint("put the module into the plugins folder again")
	}
	return wasm, nil
}

// save keeps a module under its release's id, whole or not at all.
func (s *Shelf) save(id string, wasm []byte) error {
	sum := sha256.Sum256(wasm)
	if kept, err := readFile(s.kept(id), host.MaxModule); err == nil && sha256.Sum256(kept) == sum {
		return nil
	}
	err := os.MkdirAll(s.opt.Kept, 0o700)
	if err == nil {
		err = datadir.WriteFile(s.kept(id), wasm, 0o600)
	}
	if err != nil {
		return inbox.Errorf(inbox.Unavailable, "keep the release", "%w", err)
	}
	return nil
}
