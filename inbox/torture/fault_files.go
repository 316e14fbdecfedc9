package torture

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"inbox/inbox/datadir"
	"inbox/inbox/store"
)

// writeFile writes a plugin's file in the recommended way: under a temporary name, then a rename.
func writeFile(dir, name string, text []byte) error {
	tmp := filepath.Join(dir, "."+name)
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, name))
}

// writePlugins writes the files of all honest plugins. The mark makes each module a new release.
func (t *campaign) writePlugins(mark string) error {
	dir := filepath.Join(t.data, datadir.Plugins)
	for _, a := range honestPlugins() {
		if err := writeFile(dir, a.name+".toml", []byte(a.manifest(t.opt.Stored, t.receiver.addr))); err != nil {
			return err
		}
		if err := writeFile(dir, a.name+".wasm", withMark(a.module(t.receiver.addr), mark)); err != nil {
			return err
		}
	}
	return nil
}

// replaced replaces every plugin's module several times while events arrive.
func (r *round) replaced() {
	for n := range 12 {
		if err := r.t.writePlugins(fmt.Sprintf("%d.%d", r.t.round, n)); err != nil {
			r.t.report.broke("cannot replace a plugin's file: %v", err)
		}
		r.pause(20*time.Millisecond, 120*time.Millisecond)
	}
	r.s.happened = r.s.alive()
	r.s.kill()
}

// backedUp kills the server while it writes a backup. If a file with the backup's name exists afterwards, it must be a complete
// store.
func (r *round) backedUp() {
	r.pause(100*time.Millisecond, 400*time.Millisecond)
	path := filepath.Join(r.t.dir, "backup.db")
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = r.t.run(ctx, "db", "backup", path) // an error is expected: the server is killed
	}()
	for running := true; running && !exists(path+".part"); {
		select {
		case <-ended:
			running = false
		default:
			sleep(ctx, time.Millisecond)
		}
	}
	r.pause(1, 20*time.Millisecond)
	r.s.happened = exists(path + ".part")
	r.s.kill()
	<-ended
	if exists(path) {
		r.checkBackup(path)
	}
	for _, name := range []string{path, path + ".part", path + ".part-journal", path + ".key"} {
		_ = os.Remove(name)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// checkBackup opens a backup as a store and checks it.
func (r *round) checkBackup(path string) {
	dir := filepath.Join(r.t.dir, "restored")
	defer os.RemoveAll(dir)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.Rename(path, filepath.Join(dir, datadir.Database))
	}
	if err == nil {
		err = os.Rename(path+".key", filepath.Join(dir, datadir.StoreKey))
	}
	if err != nil {
		r.t.report.broke("law 4: a backup is incomplete although it has its final name: %v", err)
		return
	}
	s, err := store.Open(r.ctx, store.Options{Dir: dir, MinFree: 1})
	if err != nil {
		r.t.report.broke("law 4: a backup cannot be opened: %v", err)
		return
	}
	defer s.Close()
	problems, err := s.Check(r.ctx, nil)
	for _, p := range problems {
		r.t.report.broke("law 4: a backup: %s", p)
	}
	if err != nil {
		r.t.report.broke("law 4: a backup cannot be checked: %v", err)
	}
}
