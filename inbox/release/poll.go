package release

import (
	"context"
	"maps"
	"slices"

	"inbox/inbox"
)

// poll compares the folder with the known states. A file must be the same in two polls, so that a file that is still being
// copied is not read. Files that are in the folder at the start are read at once, so that a new plugin misses few events.
func (s *Loader) poll(ctx context.Context, first bool) {
	l, err := s.folder.list()
	if err != nil {
		s.setProblem(err)
		return
	}
	s.setProblem(nil)
	s.updateStrays(l, first)
	s.addStates(l.stamps)
	s.checkRunning(ctx, l.stamps)
	for _, name := range slices.Sorted(maps.Keys(s.states)) {
		b, stamp := s.states[name], l.stamps[name]
		stable := first || stamp == b.seen
		if stamp != b.seen && (b.seen == "" || b.entry.State == inbox.FileRefused) {
			b.start = s.startSeq(first) // the plugin's files are new, or may be corrected
		}
		b.seen = stamp
		if stable && !b.busy && ctx.Err() == nil && (stamp != b.read || b.retryDue()) {
			s.update(ctx, name, b, l)
		}
	}
}

// setProblem stores why the folder cannot be read, and logs it once. A nil error clears the problem.
func (s *Loader) setProblem(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	s.mu.Lock()
	was := s.problem
	s.problem = text
	s.mu.Unlock()
	if err != nil && was != text {
		s.opt.Log.Warn("cannot read the plugins folder; the running releases go on", "error", err, "hint", inbox.HintOf(err))
	}
}

// Problem returns why the folder cannot be read. It is empty when the folder can be read.
func (s *Loader) Problem() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

// strayPolls is the number of polls that must find a stray file before it is listed: an operator may copy a manifest before its
// module.
const strayPolls = 5

// updateStrays replaces the list of files that belong to no plugin.
func (s *Loader) updateStrays(l *listing, first bool) {
	now := map[string]*pluginState{}
	for _, file := range slices.Sorted(maps.Keys(l.strays)) {
		found, b := l.strays[file], s.strays[file]
		if b == nil || b.entry.Err != found.why {
			b = &pluginState{entry: Entry{Plugin: shown(file), State: inbox.FileStray, Err: found.why, Hint: found.hint, Since: s.opt.Now()}}
		}
		now[file] = b
		if b.failures++; b.failures == strayPolls || (first && b.failures == 1) {
			b.failures = strayPolls
			s.opt.Log.Warn("a file in the plugins folder belongs to no plugin", "file", b.entry.Plugin, "reason", found.why, "hint", found.hint)
		}
	}
	s.mu.Lock()
	s.strays = now
	s.mu.Unlock()
}

// addStates adds the states of new plugins.
func (s *Loader) addStates(stamps map[string]string) {
	for name := range stamps {
		if s.states[name] == nil {
			b := &pluginState{entry: Entry{Plugin: shown(name)}}
			s.mu.Lock()
			s.states[name] = b
			s.mu.Unlock()
			s.set(b, Entry{Plugin: shown(name), State: inbox.FileCompiling})
		}
	}
}

// startSeq returns the seq after which a new plugin begins whose files are found now. For the first poll it is the seq at the
// start, before the program accepted any event.
func (s *Loader) startSeq(first bool) int64 {
	if first || s.opt.Head == nil {
		return s.began
	}
	return s.opt.Head()
}

// update reads a plugin's files as they are now.
func (s *Loader) update(ctx context.Context, name string, b *pluginState, l *listing) {
	stamp := l.stamps[name]
	if stamp != b.read {
		b.failures, b.wait = 0, 0
	}
	if b.read = stamp; stamp == "" {
		s.removePlugin(name, b)
	} else {
		s.prepare(ctx, name, b, l)
	}
}

// retryDue counts down the polls until a file is read again, and reports whether this poll is the one.
func (b *pluginState) retryDue() bool {
	if b.wait == 0 {
		return false
	}
	b.wait--
	return b.wait == 0
}

// retryIfTemporary plans another read of a file after a temporary error, such as a full disk.
func (b *pluginState) retryIfTemporary(err error) {
	if kind := inbox.KindOf(err); kind == inbox.Unavailable || kind == inbox.Internal {
		b.scheduleRetry()
	}
}

// scheduleRetry plans another read of a file. The number of polls until then doubles each time: from about a second to a minute.
func (b *pluginState) scheduleRetry() {
	b.wait = 10 << min(b.failures, 6)
	b.failures++
}

// cachedFiles reads a plugin's files, unless they did not change since the last read: a module may have 32 MiB.
func (s *Loader) cachedFiles(b *pluginState, name, blocked string) *pluginFiles {
	if f := b.files; f != nil && f.stamp == b.read {
		return f
	}
	f := s.folder.readFiles(name, blocked, true)
	f.stamp = b.read
	b.files = nil
	if kind := inbox.KindOf(f.err); f.err == nil || kind == inbox.Invalid {
		known := *f
		known.wasm = nil
		b.files = &known
	}
	return f
}
