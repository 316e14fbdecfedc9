package serve

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/config"
	"inbox/inbox/release"
	"inbox/inbox/store"
)

// Files returns what is known of the plugins' files, with what their pumps say.
func (h *house) Files(ctx context.Context) ([]api.File, error) {
	var files []api.File
	for _, e := range h.shelf.List() {
		f := api.File{
			Plugin: e.Plugin, State: api.FileState(e.State), Live: e.Live, Release: e.File, Err: e.Err, Hint: e.Hint, Since: e.Since,
		}
		if e.Info != nil {
			f.Engine = e.Info.Engine
		}
		ask, cancel := context.WithTimeout(ctx, time.Second) // a pump that waits for the disk does not answer
		if s, ok := h.dispatch.Status(ask, e.Plugin); ok {
			f.Running, f.Note = s.Running, s.Note
		}
		cancel()
		files = append(files, f)
	}
	return files, nil
}

// Inspect describes the module of a release: the one that runs, or one that is kept.
func (h *house) Inspect(ctx context.Context, plugin, id string) (*api.Module, error) {
	for _, e := range h.shelf.List() {
		if e.Plugin == plugin && e.Live == id && e.Info != nil {
			m := api.Module(*e.Info)
			return &m, nil
		}
	}
	releases, err := h.store.Releases(ctx, plugin)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(releases, func(r inbox.Release) bool { return r.ID == id })
	if i < 0 {
		return nil, inbox.Errorf(inbox.NotFound, "", "plugin %s has no release %s", plugin, id)
	}
	wasm, err := os.ReadFile(filepath.Join(h.settings.Data, "releases", id+".wasm"))
	if err != nil {
		return nil, inbox.Errorf(inbox.NotFound, "read the release", "%w", err)
	}
	a, err := release.Agree(plugin, wasm, releases[i].Manifest, 1)
	if err != nil {
		return nil, err
	}
	program, err := h.host.Compile(ctx, wasm, &a.Manifest)
	if err != nil {
		return nil, err
	}
	defer program.Close(context.WithoutCancel(ctx))
	m := api.Module(program.Info())
	return &m, nil
}

// Manifest returns what is in force for the release of a plugin that runs; nil when none does.
func (h *house) Manifest(_ context.Context, plugin string) (*inbox.Manifest, error) {
	for _, e := range h.shelf.List() {
		if e.Plugin == plugin {
			return e.Manifest, nil
		}
	}
	return nil, nil
}

// Terms returns what a plugin asks for and is granted: by its file, or in a release.
func (h *house) Terms(ctx context.Context, plugin, id string) ([]api.Term, error) {
	return Terms(ctx, h.store, h.settings, plugin, id)
}

// Terms reads what a plugin asks for and is granted: by its files in the plugins folder, or in a release that is kept, with
// a server or without. There are none when it has neither.
func Terms(ctx context.Context, st *store.Store, s *config.Settings, plugin, id string) ([]api.Term, error) {
	dir, name := s.Plugins, plugin
	var text []byte
	if id != "" {
		dir, name = filepath.Join(s.Data, "releases"), id
		releases, err := st.Releases(ctx, plugin)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(releases, func(r inbox.Release) bool { return r.ID == id }); i >= 0 {
			text = releases[i].Manifest
		}
	} else if b, err := os.ReadFile(filepath.Join(dir, name+".toml")); err == nil {
		text = b
	}
	wasm, err := os.ReadFile(filepath.Join(dir, name+".wasm"))
	if err != nil {
		return nil, inbox.Errorf(inbox.NotFound, "read the plugin", "%w", err)
	}
	a, err := release.Agree(plugin, wasm, text, 1)
	if err != nil {
		return nil, err
	}
	terms := make([]api.Term, len(a.Terms))
	for i, t := range a.Terms {
		terms[i] = api.Term(t)
	}
	return terms, nil
}

// Changed has the plugin's pump look at the store, and its file read again, in case its pin changed.
func (h *house) Changed(plugin string) {
	h.dispatch.Wake(plugin)
	if plugin != "" {
		h.shelf.Reload(plugin)
	}
}

// Halt has the plugin's pump start nothing more, and waits for what is under way, at most until ctx is done.
func (h *house) Halt(ctx context.Context, plugin string) { h.dispatch.Pause(ctx, plugin) }

// Resume ends the pause that the server began with.
func (h *house) Resume() { h.dispatch.Resume() }

// Notes returns what else an operator should know.
func (h *house) Notes(context.Context) []string {
	notes := slices.Clone(h.settings.Notes)
	if h.dispatch.Paused() {
		notes = append(notes, "everything is paused: the server began with --paused")
	}
	for i := range h.settings.Sources {
		if s := &h.settings.Sources[i]; len(s.Secrets.Secrets()) == 0 {
			notes = append(notes, "source "+s.Name+" has no secret: what it receives goes into the quarantine")
		}
	}
	return notes
}
