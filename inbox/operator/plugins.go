package operator

import (
	"context"
	"encoding/json"
	"inbox/inbox/api"
	"net/http"
	"slices"
	"strings"
	"time"

	"inbox/inbox"
)

// plugins returns every plugin that has a file or a record in the store, by name.
func (s *server) plugins(ctx context.Context) ([]api.Plugin, error) {
	records, err := s.records.Plugins(ctx)
	if err != nil {
		return nil, err
	}
	files, err := s.Control.Files(ctx)
	if err != nil {
		return nil, err
	}
	var list []api.Plugin
	for i := range records {
		list = append(list, s.pluginOf(&records[i]))
	}
	list = addFiles(list, files)
	if err := s.addDisabled(ctx, list); err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b api.Plugin) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// addFiles adds the state of the files in the plugins folder, including files that belong to no plugin.
func addFiles(list []api.Plugin, files []File) []api.Plugin {
	for i := range files {
		at := slices.IndexFunc(list, func(p api.Plugin) bool { return p.Name == files[i].Plugin })
		if at < 0 {
			if files[i].State == inbox.FileAbsent {
				continue // it never ran, and its file is gone
			}
			at = len(list)
			list = append(list, api.Plugin{Name: files[i].Plugin})
		}
		addFile(&list[at], &files[i])
	}
	return list
}

// addDisabled adds the disabled releases.
func (s *server) addDisabled(ctx context.Context, list []api.Plugin) error {
	records, err := s.records.CrashRecords(ctx)
	if err != nil {
		return err
	}
	for _, one := range records {
		at := slices.IndexFunc(list, func(p api.Plugin) bool { return p.Name == one.Plugin })
		if at < 0 || one.DisabledAt.IsZero() || (list[at].Disabled != "" && one.Release != list[at].File) {
			continue // of several disabled releases the file's own is named
		}
		if list[at].Disabled = one.Release; list[at].Error == "" {
			list[at].Error = "release " + one.Release + " is disabled: " + one.Why
		}
	}
	return nil
}

// pluginOf returns a plugin from its record in the store. [addFile] adds its file.
func (s *server) pluginOf(r *inbox.PluginRecord) api.Plugin {
	p := api.Plugin{
		Name: r.Name, State: inbox.FileAbsent, Live: r.Live, Pinned: r.Pinned, Paused: r.Paused, OnHold: r.Health.OnHold,
		HoldReason: r.Health.Reason, HeldAt: r.Health.Since, ProbeAt: r.Health.ProbeAt, Cursor: r.Cursor, Behind: r.Behind,
		Retrying: r.Retrying, Ready: r.Ready, Parked: r.Parked, Dead: r.Dead, Filtered: r.Filtered, CreatedAt: r.CreatedAt,
	}
	if !p.OnHold {
		p.HoldReason, p.ProbeAt = "", time.Time{}
	}
	if !r.OldestAt.IsZero() {
		p.LagSeconds = max(s.Now().Sub(r.OldestAt).Seconds(), 0)
	}
	return p
}

// addFile adds the state of a plugin's file.
func addFile(p *api.Plugin, f *File) {
	p.State, p.File, p.Error, p.Hint, p.Note, p.Running, p.Engine = f.State, f.Release, f.Err, f.Hint, f.Note, f.Running, f.Engine
	if p.Runs = f.Live != ""; p.Runs {
		p.Live = f.Live
	}
}

func unknownPlugin(name string, all []api.Plugin) error {
	var names []string
	for _, p := range all {
		names = append(names, p.Name)
	}
	e := inbox.Errorf(inbox.NotFound, "", "there is no plugin %q", name)
	if near := inbox.Nearest(name, names); near != "" {
		return e.WithHint("did you mean " + near + "?")
	}
	return e.WithHint("`inbox plugin list` shows those there are")
}

func (s *server) listPlugins(w http.ResponseWriter, r *http.Request) error {
	list, err := s.plugins(r.Context())
	if err != nil {
		return err
	}
	if list == nil {
		list = []api.Plugin{}
	}
	return reply(w, list)
}

// plugin returns the plugin that a request names.
func (s *server) plugin(r *http.Request) (*api.Plugin, error) {
	list, err := s.plugins(r.Context())
	if err != nil {
		return nil, err
	}
	name := r.PathValue("name")
	i := slices.IndexFunc(list, func(p api.Plugin) bool { return p.Name == name })
	if i < 0 {
		return nil, unknownPlugin(name, list)
	}
	return &list[i], nil
}

func (s *server) showPlugin(w http.ResponseWriter, r *http.Request) error {
	p, err := s.plugin(r)
	if err != nil {
		return err
	}
	d, err := s.pluginDetail(r.Context(), p, r.URL.Query().Get("release"))
	if err != nil {
		return err
	}
	return reply(w, d)
}

func (s *server) pluginDetail(ctx context.Context, p *api.Plugin, release string) (*api.PluginDetail, error) {
	d := &api.PluginDetail{Plugin: *p, Releases: []api.Release{}, Permissions: []inbox.Permission{}}
	if p.State == inbox.FileStray {
		return d, nil
	}
	if p.CreatedAt.IsZero() { // no release of it was ever live
		terms, err := s.terms(ctx, p.Name, "")
		d.Permissions = append(d.Permissions, terms...)
		return d, err
	}
	releases, err := s.records.Releases(ctx, p.Name)
	if err != nil {
		return nil, err
	}
	chosen, err := pick(releases, p, release)
	if err != nil {
		return nil, err
	}
	for i := range releases {
		r := &releases[i]
		d.Releases = append(d.Releases, api.Release{ID: r.ID, SHA256: r.Wasm, Size: r.Size, Live: r.ID == p.Live, CreatedAt: r.CreatedAt, Actor: r.Actor})
	}
	if chosen == nil {
		return d, nil
	}
	d.Release, d.Manifest = chosen.ID, strings.TrimPrefix(string(chosen.Manifest), "\ufeff")
	if d.Module, err = moduleOf(chosen); err != nil {
		return nil, err
	}
	terms, err := s.terms(ctx, p.Name, chosen.ID)
	if err != nil {
		return nil, err
	}
	d.Permissions = append(d.Permissions, terms...)
	if release == "" && p.File != chosen.ID && p.State != inbox.FileAbsent { // the shown release is in force, and the file is another release
		d.FilePermissions, err = s.terms(ctx, p.Name, "")
	}
	return d, err
}

// moduleOf returns the stored description of a release's module, or nil when the module was never compiled. A new description
// would need a compilation.
func moduleOf(r *inbox.Release) (*inbox.Module, error) {
	if len(r.Module) == 0 {
		return nil, nil
	}
	var m inbox.Module
	if err := json.Unmarshal(r.Module, &m); err != nil {
		return nil, inbox.Errorf(inbox.Internal, "read the description of release "+r.ID, "%w", err)
	}
	return &m, nil
}

// terms returns what a plugin asks for and is granted. It returns nothing for a file that cannot be read: that file is refused,
// which is reported elsewhere.
func (s *server) terms(ctx context.Context, plugin, release string) ([]inbox.Permission, error) {
	terms, err := s.Control.Permissions(ctx, plugin, release)
	if kind := inbox.KindOf(err); err != nil && kind != inbox.NotFound && kind != inbox.Invalid && kind != inbox.Unavailable {
		return nil, err
	}
	return terms, nil
}

// pick returns the release whose id begins with id, or the live release when id is empty. It returns nil when no release is live.
func pick(releases []inbox.Release, p *api.Plugin, id string) (*inbox.Release, error) {
	var found *inbox.Release
	for i := range releases {
		r := &releases[i]
		switch {
		case id == "" && r.ID == p.Live, id != "" && r.ID == id:
			return r, nil
		case id == "" || !strings.HasPrefix(r.ID, id):
		case found != nil:
			return nil, inbox.Errorf(inbox.Invalid, "", "%s begins several releases of plugin %s", id, p.Name).WithHint("give more of it")
		default:
			found = r
		}
	}
	if found == nil && id != "" {
		return nil, inbox.Errorf(inbox.NotFound, "", "plugin %s has no release %s", p.Name, id).WithHint("`inbox plugin inspect " + p.Name + "` lists them")
	}
	return found, nil
}

// neverRan returns the error for an action on a plugin that never had a live release.
func neverRan(p *api.Plugin) error {
	if p.Error == "" {
		return inbox.Errorf(inbox.Conflict, "", "plugin %s never ran", p.Name).WithHint("`inbox plugin list` shows how it is")
	}
	return inbox.Errorf(inbox.Conflict, "", "plugin %s never ran: %s", p.Name, p.Error).WithHint(p.Hint)
}
