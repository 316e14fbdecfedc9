package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/config"
	"inbox/inbox/datadir"
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

// Terms returns what a plugin asks for and is granted: by its files in the plugins folder, or in a release that is kept, with
// a server or without. It is NotFound when there is no such module.
func Terms(ctx context.Context, st *store.Store, s *config.Settings, plugin, id string) ([]api.Term, error) {
	a, err := agreement(ctx, st, s, plugin, id)
	if err != nil {
		return nil, err
	}
	terms := make([]api.Term, len(a.Terms))
	for i, t := range a.Terms {
		terms[i] = api.Term(t)
	}
	return terms, nil
}

// Manifest returns the manifest of a release of a plugin, as it was agreed on when the release was made.
func Manifest(ctx context.Context, st *store.Store, s *config.Settings, plugin, id string) (*inbox.Manifest, error) {
	a, err := agreement(ctx, st, s, plugin, id)
	if err != nil {
		return nil, err
	}
	return &a.Manifest, nil
}

func agreement(ctx context.Context, st *store.Store, s *config.Settings, plugin, id string) (*release.Agreement, error) {
	if id == "" {
		c, err := release.ReadCandidate(filepath.Join(s.Plugins, plugin+".wasm"))
		if err != nil {
			return nil, err
		}
		return c.Agreement, nil
	}
	releases, err := st.Releases(ctx, plugin)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(releases, func(r inbox.Release) bool { return r.ID == id })
	if i < 0 {
		return nil, inbox.Errorf(inbox.NotFound, "", "plugin %s has no release %s", plugin, id)
	}
	return release.AgreeWith(plugin, releases[i].Asks, releases[i].Manifest, 1)
}

// Remove has a plugin forgotten that has no file, once nothing of it is under way.
func (h *house) Remove(ctx context.Context, plugin string, do func() ([]string, error)) error {
	return h.shelf.Forget(ctx, plugin, func() error {
		if !h.dispatch.Forget(ctx, plugin) {
			return inbox.Errorf(inbox.Conflict, "", "attempts of plugin %s are still ending", plugin).WithHint("try again in some seconds")
		}
		unused, err := do()
		if err != nil {
			return err
		}
		return RemoveKept(h.settings, unused)
	})
}

// RemoveKept deletes the kept modules of releases.
func RemoveKept(s *config.Settings, releases []string) error {
	for _, id := range releases {
		if err := os.Remove(filepath.Join(s.Data, datadir.Releases, id+".wasm")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return inbox.Errorf(inbox.Unavailable, "delete a kept module", "%w", err).WithHint("the plugin is forgotten; the file may be deleted")
		}
	}
	return nil
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
	notes := append(slices.Clone(h.settings.Notes), h.settings.SecretNotes()...)
	if trouble := h.shelf.Trouble(); trouble != "" {
		notes = append(notes, "the plugins folder cannot be read, and what runs goes on: "+trouble)
	}
	if peer := h.forwarder.Load(); peer != nil {
		notes = append(notes, fmt.Sprintf("%s says for whom it speaks (X-Forwarded-For) and is not believed: if it is your proxy, name it in trusted_proxies; until then all senders behind it count as one address", peer))
	}
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
