package serve

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/release"
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
	manifest, err := release.ParseManifest(releases[i].Manifest)
	if err != nil {
		return nil, err
	}
	manifest = manifest.WithDefaults(1)
	program, err := h.host.Compile(ctx, wasm, &manifest)
	if err != nil {
		return nil, err
	}
	defer program.Close(context.WithoutCancel(ctx))
	m := api.Module(program.Info())
	return &m, nil
}

// Changed has the plugin's pump look at the store, and its file read again, in case its pin changed.
func (h *house) Changed(plugin string) {
	h.dispatch.Wake(plugin)
	if plugin != "" {
		h.shelf.Reload(plugin)
	}
}

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
