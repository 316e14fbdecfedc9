package release

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"inbox/inbox"
	"inbox/inbox/wasm"
)

// compilation is a release that is compiled and then made live.
type compilation struct {
	state    *pluginState
	live     *Live
	wasm     []byte
	entry    Entry // the entry of the file once the release is live
	own      bool  // it is the plugin's own release: that of its file, or the choice of a rollback
	fallback bool  // it runs in place of a refused file
	err      error

	effort time.Duration // estimated time of compiling it
	long   bool          // it takes long, and short ones do not wait for it
}

// prepare makes a release of a plugin's files and plans its compilation. Files that cannot become a release change their entry only.
func (s *Loader) prepare(ctx context.Context, name string, b *pluginState, l *listing) {
	b.waits = false
	file := s.find(b, name, l.blocks[name])
	c := &choice{near: l.near[name], entry: Entry{Plugin: shown(name), State: inbox.FileLive, File: file.release.ID}}
	err := file.err
	if err == nil {
		err = s.choose(ctx, b, c, file)
	}
	switch j := c.compilation; {
	case err != nil:
		s.refused(ctx, b, c.entry, err)
	case j == nil: // it runs already, or must not run
		s.set(b, c.entry)
	default:
		j.entry = c.entry
		if file.release.ID != b.entry.File { // a file that is only read again changes nothing
			s.set(b, Entry{Plugin: name, State: inbox.FileCompiling})
		}
		s.queue(j)
	}
}

// choice is the release of a plugin to run, and the entry of its file.
type choice struct {
	entry       Entry
	compilation *compilation // nil: no compilation is needed
	near        string       // a manifest without a module that may be meant for it
}

// choose finds the release to run, see [inbox.Running].
func (s *Loader) choose(ctx context.Context, b *pluginState, c *choice, file *found) error {
	name := file.release.Plugin
	record, err := s.may(ctx, file, c.near)
	if err != nil {
		return err
	}
	chosen, known, err := s.running(ctx, name, record, c)
	if err != nil {
		return err
	}
	id, own := chosen.Release, chosen.Own
	if id == "" || (b.live != nil && b.live.Release.ID == id) {
		if id == own {
			s.forget(ctx, &b.live.Release)
		}
		return nil
	}
	if record := known[id]; chosen.CrashLoop && s.turn != name {
		b.waits = true
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

// running decides which release runs. It notes why another release than that of the files runs, and ends a rollback that is over.
func (s *Loader) running(ctx context.Context, name string, record *inbox.PluginRecord, c *choice) (inbox.Chosen, map[string]inbox.CrashRecord, error) {
	known, err := s.known(ctx, name)
	if err != nil {
		return inbox.Chosen{}, nil, err
	}
	chosen := inbox.Running(record, c.entry.File, false, known)
	if chosen.Unpin {
		err = s.opt.Unpin(ctx, c.entry.Plugin)
	}
	c.say(&chosen, known)
	return chosen, known, err
}

// say notes why another release than that of the plugin's files was chosen.
func (c *choice) say(chosen *inbox.Chosen, known map[string]inbox.CrashRecord) {
	if chosen.Pinned {
		c.entry.State = inbox.FilePinned
	}
	if !chosen.Disabled {
		return
	}
	disabled := known[chosen.Own]
	c.entry.State, c.entry.Err = inbox.FileDisabled, disabledText(&disabled, chosen.Release)
	c.entry.Hint = "`inbox plugin resume " + c.entry.Plugin + "` brings it back; so does a changed file"
}

// compileFile plans the compilation of a plugin's files.
func (s *Loader) compileFile(b *pluginState, name string, file *found) (*compilation, error) {
	if file.wasm == nil { // the bytes were dropped after the last read
		again := s.readFiles(name, "", true)
		if again.err != nil {
			return nil, again.err
		}
		if again.release.ID != file.release.ID {
			b.found = nil
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

func (s *Loader) queue(j *compilation) {
	j.state.busy = true
	j.effort, j.long = wasm.Effort(j.wasm)
	s.compilations = append(s.compilations, j)
}

// start starts the next compilations: one long and one short at a time, so that no short one waits for a long one. The shortest
// comes first.
func (s *Loader) start(ctx context.Context) {
	slices.SortStableFunc(s.compilations, func(a, b *compilation) int { return cmp.Compare(a.effort, b.effort) })
	for _, long := range []bool{false, true} {
		i := slices.IndexFunc(s.compilations, func(j *compilation) bool { return j.long == long })
		if s.compiling[long] || i < 0 || ctx.Err() != nil {
			continue
		}
		j := s.compilations[i]
		s.compilations = slices.Delete(s.compilations, i, i+1)
		s.compiling[long] = true
		s.compile(ctx, j)
	}
}

// compile compiles a release in a goroutine of its own.
func (s *Loader) compile(ctx context.Context, j *compilation) {
	go func() {
		if j.err = s.opt.Watch.RecordStart(ctx, j.live.Release.Plugin, j.live.Release.ID); j.err == nil {
			j.live.Program, j.err = s.opt.Host.Compile(ctx, j.wasm, &j.live.Manifest)
		}
		if j.err == nil {
			j.err = s.opt.Kept.Save(j.live.Release.ID, j.wasm)
		}
		select {
		case s.compiled <- j:
		case <-ctx.Done():
			j.drop(ctx)
		}
	}()
}

// drop closes the program of a compilation whose release must not run.
func (j *compilation) drop(ctx context.Context) {
	if j.live.Program != nil {
		j.live.Program.Close(context.WithoutCancel(ctx))
	}
}

// finish makes a compiled release live.
func (s *Loader) finish(ctx context.Context, j *compilation) {
	s.compiling[j.long], j.state.busy = false, false
	name := j.live.Release.Plugin
	if j.err == nil && ctx.Err() == nil && (s.gone(name) || s.changed(j)) {
		j.drop(ctx) // the next look prepares it again
		return
	}
	if j.err == nil {
		j.err = s.record(ctx, j.live, j.state.start)
	}
	switch {
	case j.err == nil:
		s.replace(j.state, name, j.live)
		if j.own {
			s.forget(ctx, &j.live.Release)
		}
		if j.entry.State == inbox.FileDisabled {
			s.opt.Log.Error("a plugin's release is disabled; its fallback runs until its file changes", "plugin", name, "disabled", j.entry.File, "reason", j.entry.Err)
		}
		s.opt.Log.Info("plugin is live", "plugin", name, "release", j.live.Release.ID, "kind", j.live.Program.Info().Kind, "bytes", j.live.Release.Size,
			"shown", shownOf(&j.live.Manifest))
		s.set(j.state, j.entry)
	case ctx.Err() != nil:
		j.drop(ctx)
	case j.fallback:
		j.state.mayPass(j.err)
		j.drop(ctx)
		s.clear(ctx, &j.live.Release)
		s.opt.Log.Error("the release that ran last cannot run either", "plugin", name, "release", j.live.Release.ID, "error", j.err)
	default:
		j.drop(ctx)
		s.clear(ctx, &j.live.Release)
		s.refused(ctx, j.state, j.entry, j.err)
	}
}

// record stores that a release runs. Only now the plugin gets a position in the log. A new plugin begins after start, unless its
// manifest says where, so that it misses no event that arrives while it is compiled.
func (s *Loader) record(ctx context.Context, live *Live, start int64) error {
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

// refused notes why a file cannot become a release. A temporary error is retried. Without a running release, the last one runs.
func (s *Loader) refused(ctx context.Context, b *pluginState, entry Entry, err error) {
	if ctx.Err() != nil {
		return
	}
	b.mayPass(err)
	entry.State, entry.Err, entry.Hint = inbox.FileRefused, err.Error(), inbox.HintOf(err)
	if b.entry.State != inbox.FileRefused || b.entry.Err != entry.Err {
		s.opt.Log.Error("the plugin's file was refused", "plugin", entry.Plugin, "error", err, "hint", entry.Hint)
	}
	s.set(b, entry)
	if b.live != nil {
		return
	}
	s.fallback(ctx, b, entry)
}

// fallback runs a kept release in place of a refused file, see [inbox.Running].
func (s *Loader) fallback(ctx context.Context, b *pluginState, entry Entry) {
	record, err := s.opt.Keep.Record(ctx, entry.Plugin)
	var known map[string]inbox.CrashRecord
	if err == nil {
		known, err = s.known(ctx, entry.Plugin)
	}
	if err != nil {
		b.mayPass(err) // without a running release it has never run
		return
	}
	chosen := inbox.Running(record, entry.File, true, known)
	id := chosen.Release
	if id == "" {
		return
	}
	if chosen.CrashLoop && s.turn != entry.Plugin {
		b.waits = true
		return
	}
	j, err := s.compileKept(ctx, b, entry.Plugin, id)
	if err != nil {
		b.mayPass(err)
		s.opt.Log.Error("the release that ran last cannot run either", "plugin", entry.Plugin, "release", id, "error", err)
		return
	}
	j.entry, j.fallback = entry, true
	s.queue(j)
}

func (s *Loader) takeAway(name string, b *pluginState) {
	s.opt.Log.Info("the plugin's file is gone; it pauses and keeps its place", "plugin", shown(name))
	b.found = nil
	s.replace(b, name, nil)
	s.set(b, Entry{Plugin: shown(name), State: inbox.FileAbsent})
}

// replace makes another release run. The release before it is closed after its running attempts.
func (s *Loader) replace(b *pluginState, plugin string, live *Live) {
	old := b.live
	if b.live = live; live != nil {
		live.since = s.opt.Now()
	}
	s.opt.OnChange(Change{Plugin: plugin, Live: live})
	if old != nil {
		s.closing.Go(func() { old.Program.Close(context.Background()) })
	}
}
