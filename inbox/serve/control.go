package serve

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"inbox/inbox"
	"inbox/inbox/config"
	"inbox/inbox/datadir"
	"inbox/inbox/dispatch"
	"inbox/inbox/operator"
	"inbox/inbox/release"
	"inbox/inbox/store"
)

// Control is what an operator can do to the program around the store. In a server it asks the parts that run. Without a server
// it reads the plugins folder and the store, and starts nothing.
type Control struct {
	settings *config.Settings
	store    *store.Store
	parts    *parts // nil without a server
}

// parts are the parts of a server that run plugins.
type parts struct {
	loader    *release.Loader
	dispatch  *dispatch.Dispatcher
	forwarder atomic.Pointer[netip.Addr] // a peer nearby that forwards for others and is no trusted proxy; nil: none
}

// Offline opens the store of a data directory on which no server runs. The caller closes the control. The store's lock is as in
// [store.Open].
func Offline(ctx context.Context, s *config.Settings) (*Control, error) {
	st, err := store.Open(ctx, store.Options{Dir: s.Data, MinFree: s.MinFree})
	if err != nil {
		return nil, err
	}
	return &Control{settings: s, store: st}, nil
}

// Close closes the store that [Offline] opened.
func (c *Control) Close() error { return c.store.Close() }

// API returns the options of the operator's API over the control.
func (c *Control) API(version string) operator.Options {
	return operator.Options{Store: c.store, Control: c, Sources: c.settings, Version: version, Serving: c.parts != nil}
}

// Files returns the plugins' files, and the files that belong to no plugin. In a server each comes with the running attempts.
// Without a server no module is compiled, so a file that passes the other checks has the state [inbox.FileStopped].
func (c *Control) Files(ctx context.Context) ([]operator.File, error) {
	if c.parts == nil {
		return c.filesAtRest()
	}
	var files []operator.File
	for _, e := range c.parts.loader.List() {
		f := operator.File{
			Plugin: e.Plugin, State: e.State, Live: e.Live, Release: e.File, Err: e.Err, Hint: e.Hint, Since: e.Since,
		}
		if e.Info != nil {
			f.Engine = e.Info.Engine
		}
		ask, cancel := context.WithTimeout(ctx, time.Second) // a dispatcher that waits for the disk does not answer
		if s, ok := c.parts.dispatch.Status(ask, e.Plugin); ok {
			f.Running, f.Note = s.Running, s.Note
		}
		cancel()
		files = append(files, f)
	}
	return files, nil
}

func (c *Control) filesAtRest() ([]operator.File, error) {
	var files []operator.File
	err := release.Scan(c.settings.Plugins, 1, func(f release.Found) {
		one := operator.File{Plugin: f.Plugin, State: inbox.FileStopped, Release: f.Release.ID}
		if f.Err != nil {
			one.State, one.Err, one.Hint = inbox.FileRefused, f.Err.Error(), inbox.HintOf(f.Err)
		}
		if f.Stray {
			one.State = inbox.FileStray
		}
		files = append(files, one)
	})
	return files, err
}

// Manifest returns the manifest in force for the live release of a plugin, or, without a server, for the release that was live
// last. It is nil when there is no such release.
func (c *Control) Manifest(ctx context.Context, plugin string) (*inbox.Manifest, error) {
	if c.parts == nil {
		return c.lastManifest(ctx, plugin)
	}
	for _, e := range c.parts.loader.List() {
		if e.Plugin == plugin {
			return e.Manifest, nil
		}
	}
	return nil, nil
}

func (c *Control) lastManifest(ctx context.Context, plugin string) (*inbox.Manifest, error) {
	record, err := c.store.Record(ctx, plugin)
	if err != nil || record.Live == "" {
		return nil, err
	}
	a, err := agreement(ctx, c.store, c.settings, plugin, record.Live)
	if err != nil {
		return nil, err
	}
	return &a.Manifest, nil
}

// Permissions returns what a plugin asks for and is granted: by its files in the plugins folder, or, with an id, in that
// release. It is NotFound when there is no such module.
func (c *Control) Permissions(ctx context.Context, plugin, id string) ([]inbox.Permission, error) {
	a, err := agreement(ctx, c.store, c.settings, plugin, id)
	if err != nil {
		return nil, err
	}
	return a.Permissions, nil
}

// Releases returns the records of a plugin's releases, the newest first.
type Releases interface {
	Releases(ctx context.Context, plugin string) ([]inbox.Release, error)
}

// modules is the folder that keeps the modules of releases.
func modules(s *config.Settings) release.ModuleDir {
	return release.ModuleDir(filepath.Join(s.Data, datadir.Releases))
}

func agreement(ctx context.Context, st Releases, s *config.Settings, plugin, id string) (*release.Agreement, error) {
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

// Remove calls do, which forgets a plugin that has no file, when none of its attempts runs, and then deletes the kept modules of
// the releases that do returns.
func (c *Control) Remove(ctx context.Context, plugin string, do func() ([]string, error)) error {
	forget := func() error {
		unused, err := do()
		if err != nil {
			return err
		}
		return removeKept(c.settings, unused)
	}
	if c.parts == nil {
		return forget()
	}
	return c.parts.loader.Forget(ctx, plugin, func() error {
		if !c.parts.dispatch.Forget(ctx, plugin) {
			return inbox.Errorf(inbox.Conflict, "", "attempts of plugin %s are still ending", plugin).WithHint("try again in some seconds")
		}
		return forget()
	})
}

// removeKept deletes the kept modules of releases.
func removeKept(s *config.Settings, releases []string) error {
	for _, id := range releases {
		if err := modules(s).Remove(id); err != nil {
			return err
		}
	}
	return nil
}

// Changed makes the dispatcher read what the store holds of the plugin, and the loader read its file again, in case its pin
// changed. Without a server it does nothing: the next server reads the store.
func (c *Control) Changed(plugin string) {
	if c.parts == nil {
		return
	}
	c.parts.dispatch.Wake(plugin)
	if plugin != "" {
		c.parts.loader.Reload(plugin)
	}
}

// Halt stops the start of the plugin's attempts and waits until the running ones have ended, or ctx is done.
func (c *Control) Halt(ctx context.Context, plugin string) {
	if c.parts != nil {
		c.parts.dispatch.Pause(ctx, plugin)
	}
}

// Resume ends the pause that the server began with.
func (c *Control) Resume() {
	if c.parts != nil {
		c.parts.dispatch.Resume()
	}
}

// Notes returns further facts for the operator, one sentence each.
func (c *Control) Notes(context.Context) []string {
	if c.parts == nil {
		return c.notesAtRest()
	}
	notes := append(slices.Clone(c.settings.Notes), c.settings.SecretNotes()...)
	if trouble := c.parts.loader.Problem(); trouble != "" {
		notes = append(notes, "the plugins folder cannot be read; live plugins run on: "+trouble)
	}
	if peer := c.parts.forwarder.Load(); peer != nil {
		notes = append(notes, fmt.Sprintf("%s sends X-Forwarded-For and is no trusted proxy, so the header is ignored: if it is your proxy, add it to trusted_proxies; until then all senders behind it count as one address", peer))
	}
	if c.parts.dispatch.Paused() {
		notes = append(notes, "everything is paused: the server began with --paused")
	}
	for i := range c.settings.Sources {
		if s := &c.settings.Sources[i]; len(s.Secrets.Secrets()) == 0 {
			notes = append(notes, "source "+s.Name+" has no secret: what it receives goes into the quarantine")
		}
	}
	return notes
}

func (c *Control) notesAtRest() []string {
	notes := []string{"no server runs: nothing is received and no plugin runs"}
	if _, err := release.Guard(c.settings.Plugins, false); err != nil {
		notes = append(notes, err.Error()+"; "+inbox.HintOf(err))
	}
	notes = append(notes, c.settings.Notes...)
	return append(notes, c.settings.SecretNotes()...)
}
