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
	"inbox/inbox/outbox"
	"inbox/inbox/release"
	"inbox/inbox/store"
)

// Control runs the operator's actions on the parts of the program outside the store. In a server it calls the running parts.
// Without a server it reads the plugins folder and the store, and starts nothing.
type Control struct {
	settings *config.Settings
	store    *store.Store
	parts    *parts // nil without a server
}

// parts are the parts of a server that run plugins.
type parts struct {
	loader    *release.Loader
	dispatch  *dispatch.Dispatcher
	outbox    *outbox.Outbox
	outgoing  *outgoing
	forwarder atomic.Pointer[netip.Addr] // a nearby peer that forwards for others and is not a trusted proxy; nil: none
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
		return c.filesOffline()
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

func (c *Control) filesOffline() ([]operator.File, error) {
	var files []operator.File
	err := release.Scan(c.settings.Plugins, 1, func(f release.Found) {
		file := operator.File{Plugin: f.Plugin, State: inbox.FileStopped, Release: f.Release.ID}
		if f.Err != nil {
			file.State, file.Err, file.Hint = inbox.FileRefused, f.Err.Error(), inbox.HintOf(f.Err)
		}
		if f.Stray {
			file.State = inbox.FileStray
		}
		files = append(files, file)
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

// Permissions returns the permissions that a plugin asks for, each with its grant: by its files in the plugins folder, or, with an
// id, in that release. The error is NotFound when there is no such module.
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

// Remove removes a plugin that has no file. It calls forget when none of the plugin's attempts runs, and then deletes the kept modules
// of the releases that forget returns.
func (c *Control) Remove(ctx context.Context, plugin string, forget func() ([]string, error)) error {
	remove := func() error {
		unused, err := forget()
		if err != nil {
			return err
		}
		return removeModules(c.settings, unused)
	}
	if c.parts == nil {
		return remove()
	}
	return c.parts.loader.Forget(ctx, plugin, func() error {
		if !c.parts.dispatch.Forget(ctx, plugin) {
			return inbox.Errorf(inbox.Conflict, "", "attempts of plugin %s are still running", plugin).WithHint("try again in some seconds")
		}
		return remove()
	})
}

// removeModules deletes the kept modules of releases.
func removeModules(s *config.Settings, releases []string) error {
	for _, id := range releases {
		if err := modules(s).Remove(id); err != nil {
			return err
		}
	}
	return nil
}

// Changed makes the dispatcher read the stored state of the plugin again. It also makes the loader read the plugin's file again, since
// the pin may have changed. Without a server it does nothing: the next server reads the store.
func (c *Control) Changed(plugin string) {
	if c.parts == nil {
		return
	}
	c.parts.dispatch.Wake(plugin)
	c.parts.outbox.Wake()
	if plugin != "" {
		c.parts.loader.Reload(plugin)
	}
}

// Halt stops the plugin from starting attempts, and waits until its running attempts have ended or ctx is done.
func (c *Control) Halt(ctx context.Context, plugin string) {
	if c.parts != nil {
		c.parts.dispatch.Pause(ctx, plugin)
	}
}

// Resume ends the pause of a server that was started with --paused.
func (c *Control) Resume() {
	if c.parts != nil {
		c.parts.dispatch.Resume()
	}
}

// Unsent returns why the requests of a plugin are not sent, and a hint; empty when they are, or without a server.
func (c *Control) Unsent(plugin string) (why, hint string) {
	if c.parts == nil {
		return "", ""
	}
	return c.parts.outgoing.unsent(plugin)
}

// Notes returns notices for the operator, one sentence each.
func (c *Control) Notes(context.Context) []string {
	if c.parts == nil {
		return c.notesOffline()
	}
	notes := append(slices.Clone(c.settings.Notes), c.settings.SecretNotes()...)
	if problem := c.parts.loader.Problem(); problem != "" {
		notes = append(notes, "the plugins folder cannot be read; live plugins continue to run: "+problem)
	}
	if peer := c.parts.forwarder.Load(); peer != nil {
		notes = append(notes, fmt.Sprintf("%s sends X-Forwarded-For and is not a trusted proxy, so the header is ignored: if it is your proxy, add it to trusted_proxies; until then all senders behind it count as one address", peer))
	}
	if c.parts.dispatch.Paused() {
		notes = append(notes, "everything is paused: the server was started with --paused")
	}
	for i := range c.settings.Sources {
		if s := &c.settings.Sources[i]; len(s.Secrets.Secrets()) == 0 {
			notes = append(notes, "source "+s.Name+" has no secret: all its requests are quarantined")
		}
	}
	return notes
}

func (c *Control) notesOffline() []string {
	notes := []string{"no server runs: nothing is received and no plugin runs"}
	if _, err := release.Guard(c.settings.Plugins, false); err != nil {
		notes = append(notes, err.Error()+"; "+inbox.HintOf(err))
	}
	notes = append(notes, c.settings.Notes...)
	return append(notes, c.settings.SecretNotes()...)
}
