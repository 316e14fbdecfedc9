package release

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"inbox/inbox"
)

// job is a release to be compiled and made live.
type job struct {
	book  *book
	live  *Live
	wasm  []byte
	entry Entry // what is known of the file when the release is live
	own   bool  // it is what the plugin shall run: its file, or what a rollback chose
	spare bool  // it runs in place of a file that was refused
	err   error
}

// bring makes a plugin's files a release and lets it run. What cannot become one is said, and changes nothing else.
func (s *Shelf) bring(ctx context.Context, name string, b *book) {
	b.waits = false
	file, wasm, err := s.readFiles(name)
	c := &choice{entry: Entry{Plugin: name, State: StateLive, File: file.Release.ID}}
	if err == nil {
		err = s.choose(ctx, b, c, file, wasm)
	}
	switch j := c.job; {
	case err != nil:
		s.refused(ctx, b, c.entry, err)
	case j == nil: // it runs already, or must not
		s.set(b, c.entry)
	default:
		j.entry = c.entry
		if file.Release.ID != b.entry.File { // what is only looked at again goes on as it is
			s.set(b, Entry{Plugin: name, State: StateCompiling})
		}
		s.queue(j)
	}
}

// choice is what shall run of a plugin, and what is said of its file.
type choice struct {
	entry Entry
	job   *job // nil: nothing is to be compiled
}

// choose finds what shall run: the file, the release it was rolled back to, or the one before what was set aside.
func (s *Shelf) choose(ctx context.Context, b *book, c *choice, file *Live, wasm []byte) error {
	name := file.Release.Plugin
	record, err := s.opt.Keep.Record(ctx, name)
	if inbox.KindOf(err) == inbox.NotFound {
		record, err = &inbox.PluginRecord{}, nil // it has never run
	}
	if err != nil {
		return err
	}
	own, err := s.own(ctx, record, c)
	if err != nil {
		return err
	}
	known, err := s.known(ctx, name)
	if err != nil {
		return err
	}
	id := own
	if aside, is := known[id]; is && !aside.AsideAt.IsZero() {
		id = before(record, known, id)
		c.entry.State, c.entry.Err = StateAside, setAsideText(&aside, id)
		c.entry.Hint = "`inbox plugin resume " + name + "` brings it back; so does a changed file"
	}
	if id == "" || (b.live != nil && b.live.Release.ID == id) {
		if id == own {
			s.forget(ctx, &b.live.Release)
		}
		return nil
	}
	if suspect := known[id]; suspect.Suspected() && s.turn != name {
		b.waits = true
		c.entry.State, c.entry.Err = StateSuspect, suspectText(&suspect)
		return nil
	}
	if id == file.Release.ID {
		file.Yields = true
		c.job = &job{book: b, live: file, wasm: wasm, own: true}
		return nil
	}
	if c.job, err = s.keptJob(ctx, b, name, id); err == nil {
		c.job.own = id == own
	}
	return err
}

// own returns the plugin's own release: its file's, or the one it was rolled back to until the file changes.
func (s *Shelf) own(ctx context.Context, record *inbox.PluginRecord, c *choice) (string, error) {
	switch id := c.entry.File; {
	case record.Pinned == "":
		return id, nil
	case record.PinnedOff == id:
		c.entry.State = StatePinned
		return record.Pinned, nil
	default:
		return id, s.opt.Unpin(ctx, c.entry.Plugin)
	}
}

// keptJob has a release of the past compiled.
func (s *Shelf) keptJob(ctx context.Context, b *book, plugin, id string) (*job, error) {
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
	a, err := Agree(plugin, wasm, live.Release.Manifest, s.opt.Parallel)
	if err == nil {
		err = a.Err(plugin)
	}
	if err != nil {
		return nil, fmt.Errorf("release %s: %w", id, err)
	}
	live.Manifest = a.Manifest
	return &job{book: b, live: live, wasm: wasm}, nil
}

func (s *Shelf) queue(j *job) {
	j.book.busy = true
	s.jobs = append(s.jobs, j)
}

// start has the next job compiled, one at a time.
func (s *Shelf) start(ctx context.Context) {
	if s.compiling || len(s.jobs) == 0 || ctx.Err() != nil {
		return
	}
	j := s.jobs[0]
	s.jobs = s.jobs[1:]
	s.compiling = true
	go func() {
		if j.err = s.opt.Watch.Watch(ctx, j.live.Release.Plugin, j.live.Release.ID); j.err == nil {
			j.live.Program, j.err = s.opt.Host.Compile(ctx, j.wasm, &j.live.Manifest)
		}
		if j.err == nil {
			j.err = s.save(j.live.Release.ID, j.wasm)
		}
		select {
		case s.compiled <- j:
		case <-ctx.Done():
			j.drop(ctx)
		}
	}()
}

// drop ends the program of a job that is not to run.
func (j *job) drop(ctx context.Context) {
	if j.live.Program != nil {
		j.live.Program.Close(context.WithoutCancel(ctx))
	}
}

// finish makes live what was compiled.
func (s *Shelf) finish(ctx context.Context, j *job) {
	s.compiling, j.book.busy = false, false
	name := j.live.Release.Plugin
	if j.err == nil && ctx.Err() == nil && s.gone(name) {
		j.drop(ctx) // the next look takes it away
		return
	}
	if j.err == nil {
		j.err = s.record(ctx, j.live)
	}
	switch {
	case j.err == nil:
		s.replace(j.book, name, j.live)
		if j.own {
			s.forget(ctx, &j.live.Release)
		}
		if j.entry.State == StateAside {
			s.opt.Log.Error("a plugin's release is set aside; the one before it runs until its file changes", "plugin", name, "set_aside", j.entry.File, "reason", j.entry.Err)
		}
		s.opt.Log.Info("plugin is live", "plugin", name, "release", j.live.Release.ID, "kind", j.live.Program.Info().Kind, "bytes", j.live.Release.Size)
		s.set(j.book, j.entry)
	case ctx.Err() != nil:
		j.drop(ctx)
	case j.spare:
		j.book.mayPass(j.err)
		j.drop(ctx)
		s.spare(ctx, &j.live.Release)
		s.opt.Log.Error("the release that ran last cannot run either", "plugin", name, "release", j.live.Release.ID, "error", j.err)
	default:
		j.drop(ctx)
		s.spare(ctx, &j.live.Release)
		s.refused(ctx, j.book, j.entry, j.err)
	}
}

// gone reports whether a plugin's module was taken away.
func (s *Shelf) gone(name string) bool {
	_, err := os.Stat(filepath.Join(s.opt.Dir, name+".wasm"))
	return os.IsNotExist(err)
}

// record keeps that a release runs. Only now is the plugin known: one that never ran has no place in the log to fall
// behind from.
func (s *Shelf) record(ctx context.Context, live *Live) error {
	r := live.Release
	err := s.opt.Keep.Register(ctx, r.Plugin, live.Manifest.StartFrom)
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

// refused says why a file is not a release. What passes is tried again. Without a release that runs, what ran last does.
func (s *Shelf) refused(ctx context.Context, b *book, entry Entry, err error) {
	if ctx.Err() != nil {
		return
	}
	b.mayPass(err)
	entry.State, entry.Err, entry.Hint = StateRefused, err.Error(), inbox.HintOf(err)
	if b.entry.State != StateRefused || b.entry.Err != entry.Err {
		s.opt.Log.Error("the plugin's file was refused", "plugin", entry.Plugin, "error", err, "hint", entry.Hint)
	}
	s.set(b, entry)
	if b.live != nil {
		return
	}
	s.standIn(ctx, b, entry)
}

// standIn has what ran last run in place of a file that was refused, or, if that is the file itself and has never done
// anything, or was set aside, what ran before it.
func (s *Shelf) standIn(ctx context.Context, b *book, entry Entry) {
	record, err := s.opt.Keep.Record(ctx, entry.Plugin)
	var known map[string]inbox.Suspect
	if err == nil {
		known, err = s.known(ctx, entry.Plugin)
	}
	if err != nil {
		b.mayPass(err) // else it has never run
		return
	}
	id, last := record.Live, known[record.Live]
	switch {
	case !last.AsideAt.IsZero():
		id = record.Previous
	case id == entry.File && record.Proven:
		id = ""
	case id == entry.File:
		id = record.Previous
	}
	one := known[id]
	if id == "" || !one.AsideAt.IsZero() {
		return
	}
	if one.Suspected() && s.turn != entry.Plugin {
		b.waits = true
		return
	}
	j, err := s.keptJob(ctx, b, entry.Plugin, id)
	if err != nil {
		b.mayPass(err)
		s.opt.Log.Error("the release that ran last cannot run either", "plugin", entry.Plugin, "release", id, "error", err)
		return
	}
	j.entry, j.spare = entry, true
	s.queue(j)
}

func (s *Shelf) takeAway(name string, b *book) {
	s.opt.Log.Info("the plugin's file is gone; it pauses and keeps its place", "plugin", name)
	s.replace(b, name, nil)
	s.set(b, Entry{Plugin: name, State: StateAbsent})
}

// replace makes another release run. The one before it ends with its running attempts.
func (s *Shelf) replace(b *book, plugin string, live *Live) {
	old := b.live
	if b.live = live; live != nil {
		live.since = s.opt.Now()
	}
	s.opt.OnChange(Change{Plugin: plugin, Live: live})
	if old != nil {
		s.closing.Go(func() { old.Program.Close(context.Background()) })
	}
}
