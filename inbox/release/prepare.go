package release

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"inbox/inbox"
)

// prepare makes a release of a plugin's files and plans its compilation. Files that cannot become a release change their entry only.
func (s *Loader) prepare(ctx context.Context, name string, b *pluginState, l *listing) {
	b.waitsForSolo = false
	file := s.cachedFiles(b, name, l.blocks[name])
	c := &choice{similar: l.similar[name], entry: Entry{Plugin: shown(name), State: inbox.FileLive, File: file.release.ID}}
	err := file.err
	if err == nil {
		err = s.choose(ctx, b, c, file)
	}
	switch j := c.compilation; {
	case err != nil:
		s.refuse(ctx, b, c.entry, err)
	case j == nil: // the release already runs, or must not run
		s.set(b, c.entry)
	default:
		j.entry = c.entry
		if file.release.ID != b.entry.File { // an unchanged file keeps its entry
			s.set(b, Entry{Plugin: name, State: inbox.FileCompiling})
		}
		s.compiler.add(j)
	}
}

// choice is the release of a plugin to run, and the entry of its file.
type choice struct {
	entry       Entry
	compilation *compilation // nil: no compilation is needed
	similar     string       // a manifest without a module that may be meant for it
}

// choose finds the release to run, see [inbox.Running].
func (s *Loader) choose(ctx context.Context, b *pluginState, c *choice, file *pluginFiles) error {
	name := file.release.Plugin
	record, err := s.checkedRecord(ctx, file, c.similar)
	if err != nil {
		return err
	}
	chosen, known, err := s.decide(ctx, name, record, c)
	if err != nil {
		return err
	}
	id, own := chosen.Release, chosen.Own
	if id == "" || (b.live != nil && b.live.Release.ID == id) {
		if id == own {
			s.crashes.enable(ctx, &b.live.Release)
		}
		return nil
	}
	if record := known[id]; chosen.CrashLoop && s.crashes.solo != name {
		b.waitsForSolo = true
		c.entry.State, c.entry.Err = inbox.FileCrashLoop, crashLoopText(&record)
		return nil
	}
	if id == file.release.ID {
		c.compilation, err = s.compileFile(b, name, file)
		return err
	}
	if c.compilation, err = s.compileKept(ctx, b, name, id); err == nil {
		c.compilation.own = id == own
	}
	return err
}

// decide decides which release runs. It stores in the entry why the release of the files does not run. It ends a rollback once
// the files have changed.
func (s *Loader) decide(ctx context.Context, name string, record *inbox.PluginRecord, c *choice) (inbox.Chosen, map[string]inbox.CrashRecord, error) {
	known, err := s.crashes.ofPlugin(ctx, name)
	if err != nil {
		return inbox.Chosen{}, nil, err
	}
	chosen := inbox.Running(record, c.entry.File, false, known)
	if chosen.Unpin {
		err = s.opt.Unpin(ctx, c.entry.Plugin)
	}
	c.explain(&chosen, known)
	return chosen, known, err
}

// explain stores in the entry why the release of the plugin's files was not chosen.
func (c *choice) explain(chosen *inbox.Chosen, known map[string]inbox.CrashRecord) {
	if chosen.Pinned {
		c.entry.State = inbox.FilePinned
	}
	if !chosen.Disabled {
		return
	}
	disabled := known[chosen.Own]
	c.entry.State, c.entry.Err = inbox.FileDisabled, disabledText(&disabled, chosen.Release)
	c.entry.Hint = "`inbox plugin resume " + c.entry.Plugin + "` enables it again; so does a changed file"
}

// compileFile plans the compilation of a plugin's files.
func (s *Loader) compileFile(b *pluginState, name string, file *pluginFiles) (*compilation, error) {
	if file.wasm == nil { // the module is not cached
		again := s.folder.readFiles(name, "", true)
		if again.err != nil {
			return nil, again.err
		}
		if again.release.ID != file.release.ID {
			b.files = nil
			return nil, inbox.Errorf(inbox.Unavailable, "", "its files are changing")
		}
		file = again
	}
	live := &Live{Release: file.release, Manifest: file.manifest, Yields: true}
	return &compilation{state: b, live: live, wasm: file.wasm, own: true}, nil
}

// compileKept plans the compilation of an earlier release.
func (s *Loader) compileKept(ctx context.Context, b *pluginState, plugin, id string) (*compilation, error) {
	live := &Live{}
	releases, err := s.opt.Keep.Releases(ctx, plugin)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(releases, func(r inbox.Release) bool { return r.ID == id })
	if i < 0 {
		return nil, inbox.Errorf(inbox.NotFound, "", "plugin %s has no release %s", plugin, id).
			WithHint("`inbox plugin inspect " + plugin + "` lists them")
	}
	live.Release = releases[i]
	wasm, err := s.load(live.Release)
	if err != nil {
		return nil, err
	}
	a, err := AgreeWith(plugin, live.Release.Asks, live.Release.Manifest, s.opt.Parallel)
	if err == nil {
		err = a.Err(plugin)
	}
	if err != nil {
		return nil, fmt.Errorf("release %s: %w", id, err)
	}
	live.Manifest = a.Manifest
	return &compilation{state: b, live: live, wasm: wasm}, nil
}

// finish makes a compiled release live.
func (s *Loader) finish(ctx context.Context, j *compilation) {
	s.compiler.running[j.long], j.state.busy = false, false
	name := j.live.Release.Plugin
	if j.err == nil && ctx.Err() == nil && (s.folder.missing(name) || s.folder.changed(j)) {
		j.close(ctx) // the next poll prepares it again
		return
	}
	if j.err == nil {
		j.err = s.checkState(ctx, j)
	}
	if j.err == nil {
		j.err = s.recordLive(ctx, j.live, j.state.start)
	}
	switch {
	case j.err == nil:
		s.goLive(ctx, j)
	case ctx.Err() != nil:
		j.close(ctx)
	case j.fallback:
		j.state.retryIfTemporary(j.err)
		j.close(ctx)
		s.crashes.clear(ctx, &j.live.Release)
		s.opt.Log.Error("the release that ran last cannot run either", "plugin", name, "release", j.live.Release.ID, "error", j.err)
	default:
		j.close(ctx)
		s.crashes.clear(ctx, &j.live.Release)
		s.refuse(ctx, j.state, j.entry, j.err)
	}
}

// goLive runs a compiled release whose record is stored.
func (s *Loader) goLive(ctx context.Context, j *compilation) {
	name := j.live.Release.Plugin
	s.setLive(j.state, name, j.live)
	if j.own {
		s.crashes.enable(ctx, &j.live.Release)
	}
	if j.entry.State == inbox.FileDisabled {
		s.opt.Log.Error("a plugin's release is disabled; its fallback runs until its file changes", "plugin", name, "disabled", j.entry.File, "reason", j.entry.Err)
	}
	s.opt.Log.Info("plugin is live", "plugin", name, "release", j.live.Release.ID, "kind", j.live.Program.Info().Kind, "bytes", j.live.Release.Size,
		"shown", shownData(&j.live.Manifest))
	s.set(j.state, j.entry)
}

// recordLive stores that a release runs. Only now the plugin gets a position in the log. A new plugin begins after start, unless
// its manifest sets start_from. So it misses no event that arrives during the compilation.
func (s *Loader) recordLive(ctx context.Context, live *Live, start int64) error {
	r, from := live.Release, live.Manifest.StartFrom
	if from == (inbox.StartFrom{}) {
		from.Seq = start + 1
	}
	info := live.Program.Info()
	info.Imports = slices.Compact(slices.Sorted(slices.Values(info.Imports)))
	module, err := json.Marshal(info)
	if err != nil {
		return fmt.Errorf("describe release %s: %w", r.ID, err)
	}
	r.Module = module
	err = s.opt.Keep.Register(ctx, r.Plugin, from)
	if err == nil {
		err = s.opt.Keep.SaveRelease(ctx, r)
	}
	if err == nil {
		err = s.opt.Keep.SetLive(ctx, r.Plugin, r.ID)
	}
	if err != nil {
		return fmt.Errorf("record release %s: %w", r.ID, err)
	}
	return nil
}

// refuse stores why a file cannot become a release. It plans a retry after a temporary error. If no release of the plugin runs,
// it starts the fallback.
func (s *Loader) refuse(ctx context.Context, b *pluginState, entry Entry, err error) {
	if ctx.Err() != nil {
		return
	}
	b.retryIfTemporary(err)
	entry.State, entry.Err, entry.Hint = inbox.FileRefused, err.Error(), inbox.HintOf(err)
	if b.entry.State != inbox.FileRefused || b.entry.Err != entry.Err {
		s.opt.Log.Error("the plugin's file was refused", "plugin", entry.Plugin, "error", err, "hint", entry.Hint)
	}
	s.set(b, entry)
	if b.live != nil {
		return
	}
	s.runFallback(ctx, b, entry)
}

// runFallback runs a kept release in place of a refused file, see [inbox.Running].
func (s *Loader) runFallback(ctx context.Context, b *pluginState, entry Entry) {
	record, err := s.opt.Keep.Record(ctx, entry.Plugin)
	var known map[string]inbox.CrashRecord
	if err == nil {
		known, err = s.crashes.ofPlugin(ctx, entry.Plugin)
	}
	if err != nil {
		b.retryIfTemporary(err) // NotFound: the plugin has never run
		return
	}
	chosen := inbox.Running(record, entry.File, true, known)
	id := chosen.Release
	if id == "" {
		return
	}
	if chosen.CrashLoop && s.crashes.solo != entry.Plugin {
		b.waitsForSolo = true
		return
	}
	j, err := s.compileKept(ctx, b, entry.Plugin, id)
	if err != nil {
		b.retryIfTemporary(err)
		s.opt.Log.Error("the release that ran last cannot run either", "plugin", entry.Plugin, "release", id, "error", err)
		return
	}
	j.entry, j.fallback = entry, true
	s.compiler.add(j)
}

// removePlugin stops a plugin whose module was removed.
func (s *Loader) removePlugin(name string, b *pluginState) {
	s.opt.Log.Info("the plugin's file is gone; the plugin stops and keeps its position", "plugin", shown(name))
	b.files = nil
	s.setLive(b, name, nil)
	s.set(b, Entry{Plugin: shown(name), State: inbox.FileAbsent})
}

// setLive makes another release live, or none. The release before it is closed after its running attempts.
func (s *Loader) setLive(b *pluginState, plugin string, live *Live) {
	old := b.live
	if b.live = live; live != nil {
		live.since = s.opt.Now()
	}
	s.opt.OnChange(Change{Plugin: plugin, Live: live})
	if old != nil {
		s.closing.Go(func() { old.Program.Close(context.Background()) })
	}
}
