package release

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"inbox/inbox"
)

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
	live.Release = Describe(name, wasm, text)
	live.Manifest, err = ParseManifest(text)
	if err != nil {
		return live, fmt.Errorf("%s.toml: %w", name, err)
	}
	return live, s.save(live.Release.ID, wasm)
}

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
