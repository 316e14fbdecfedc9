package release

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"inbox/inbox"
)

// CrashRecords are the records of this process about the releases that it runs and that have not survived yet, see
// [inbox.CrashRecord]. None of its calls changes the records of another process.
type CrashRecords interface {
	RecordStart(ctx context.Context, plugin, release string) error
	ClearCrashes(ctx context.Context, plugin, release string) error
	EndCleanly(ctx context.Context) error
}

// CrashLoops is what follows from the records of processes that have ended.
type CrashLoops interface {
	CountCrashes(ctx context.Context) ([]inbox.CrashRecord, error)
	CrashRecords(ctx context.Context) ([]inbox.CrashRecord, error)
	EnableOtherReleases(ctx context.Context, plugin, except string) error
}

// Watcher is both.
type Watcher interface {
	CrashRecords
	CrashLoops
}

// A release has survived in a process when surviveAttempts of its attempts have begun, or surviveFor has passed since the first
// one began, and all of these have ended. A release that crashes the program meets the same event again after a restart. That
// event is among the first, because settled events are not run again. The crash may come late, after other attempts ended.
const (
	surviveAttempts = 1000
	surviveFor      = 5 * time.Second
)

// calmFor is how long no release in a crash loop runs after a start. If the program crashes in that time, these releases are
// not the cause.
const calmFor = 2 * time.Second

// clearAgain is how long a failed deletion of a record waits before it is repeated: a full disk stays full for a while.
const clearAgain = 10 * time.Second

// readAgain replaces the stamp of a plugin's files, so that they are read again although they have not changed.
const readAgain = "to be read again"

// endBound is how long the last write of a program that stops may take.
const endBound = time.Second

// Tally counts the attempts of a release until it has survived. The zero value is ready.
type Tally struct {
	over  atomic.Bool
	mu    sync.Mutex
	first time.Time // when the first attempt began
	begun int       // attempts that began within surviveFor of it; surviveAttempts at most
	ended int       // of which ended
}

// Begin counts an attempt that begins. The returned function counts its end.
func (t *Tally) Begin(now time.Time) (end func()) {
	if t.over.Load() {
		return func() {}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first.IsZero() {
		t.first = now
	}
	if t.full(now) {
		return func() {}
	}
	t.begun++
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.ended++
	}
}

// full reports whether all attempts that count have begun.
func (t *Tally) full(now time.Time) bool {
	return t.begun == surviveAttempts || now.Sub(t.first) > surviveFor
}

// idle reports whether no attempt has begun.
func (t *Tally) idle() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.first.IsZero()
}

// survived reports whether the release has survived at the time now.
func (t *Tally) survived(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.first.IsZero() && t.full(now) && t.ended == t.begun {
		t.over.Store(true)
	}
	return t.over.Load()
}

// countCrashes has the store count the end of the process before this one, once, and logs the releases in a crash loop.
func (s *Loader) countCrashes(ctx context.Context) {
	list, err := s.opt.Watch.CountCrashes(ctx)
	if err != nil {
		if ctx.Err() == nil && s.unsure != err.Error() {
			s.opt.Log.Error("cannot find out how the program ended before; plugins wait", "error", err)
			s.unsure = err.Error()
		}
		return
	}
	s.counted = true
	var looping []string
	for i := range list {
		switch one := &list[i]; {
		case !one.DisabledAt.IsZero():
			s.opt.Log.Error("a release is disabled", "plugin", one.Plugin, "release", one.Release, "reason", one.Why)
		case one.InCrashLoop():
			looping = append(looping, one.Plugin)
		}
	}
	if len(looping) > 0 {
		s.calm = s.opt.Now().Add(calmFor)
		s.opt.Log.Error("the program ended several times in a row, each time while these plugins ran; they run one at a time until the culprit is known",
			"plugins", looping)
	}
}

// checkRunning deletes the records of releases that have survived. It runs releases in a crash loop one at a time, in the order
// of their plugins' names.
func (s *Loader) checkRunning(ctx context.Context, stamps map[string]string) {
	now := s.opt.Now()
	for _, b := range s.states {
		if l := b.live; l != nil && !l.cleared && !now.Before(l.again) && l.Tally.survived(now) {
			l.cleared, l.again = s.clear(ctx, &l.Release), now.Add(clearAgain)
		}
	}
	if b := s.states[s.turn]; b != nil && !b.turnOver(now) {
		return
	}
	s.turn = ""
	if now.Before(s.calm) {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.states)) {
		if b := s.states[name]; b.waits {
			s.opt.Log.Info("a release of the crash loop runs alone now", "plugin", name)
			s.turn, b.waits, b.read = name, false, readAgain
			b.seen = stamps[name] // it has waited long enough
			return
		}
	}
}

// turnOver reports whether the next release in a crash loop may run: this one has survived, does not run, or has no events.
// Without events its record stays.
func (b *pluginState) turnOver(now time.Time) bool {
	switch {
	case b.busy || b.read == readAgain:
		return false
	case b.live == nil:
		return true
	}
	return b.live.cleared || (b.live.Tally.idle() && now.Sub(b.live.since) > surviveFor)
}

// clear deletes the record of a release that survived, or that cannot run. The caller tries again when it fails.
func (s *Loader) clear(ctx context.Context, r *inbox.Release) bool {
	err := s.opt.Watch.ClearCrashes(ctx, r.Plugin, r.ID)
	if err != nil && ctx.Err() == nil {
		s.opt.Log.Warn("cannot record that a release survived", "plugin", r.Plugin, "error", err)
	}
	return err == nil
}

// endCleanly deletes the records of this process: no release has crashed it.
func (s *Loader) endCleanly(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endBound)
	defer cancel()
	if err := s.opt.Watch.EndCleanly(ctx); err != nil {
		s.opt.Log.Warn("cannot record that the program ended as it should", "error", err)
	}
}

// known returns the crash records and disabled releases of a plugin, by release.
func (s *Loader) known(ctx context.Context, plugin string) (map[string]inbox.CrashRecord, error) {
	all, err := s.opt.Watch.CrashRecords(ctx)
	if err != nil {
		return nil, err
	}
	known := map[string]inbox.CrashRecord{}
	for _, one := range all {
		if one.Plugin == plugin && known[one.Release].DisabledAt.IsZero() { // other processes may have records of it too
			known[one.Release] = one
		}
	}
	return known, nil
}

// forget enables the disabled releases of a plugin once its own release runs: its file has changed, or an operator chose
// another release. Before that they stay disabled, because a fallback or the release before it may be disabled too.
func (s *Loader) forget(ctx context.Context, r *inbox.Release) {
	known, err := s.known(ctx, r.Plugin)
	for _, one := range known {
		if err == nil && !one.DisabledAt.IsZero() && one.Release != r.ID {
			err = s.opt.Watch.EnableOtherReleases(ctx, r.Plugin, r.ID)
			break
		}
	}
	if err != nil && ctx.Err() == nil {
		s.opt.Log.Warn("cannot enable the disabled releases; the next read of the plugin's file repeats it", "plugin", r.Plugin, "error", err)
	}
}

func disabledText(one *inbox.CrashRecord, instead string) string {
	text := fmt.Sprintf("release %s is disabled: %s; ", one.Release, one.Why)
	if instead == "" {
		return text + "it has no fallback"
	}
	return text + "release " + instead + " runs in its place"
}

func crashLoopText(one *inbox.CrashRecord) string {
	return fmt.Sprintf("the program ended %d times in a row while release %s ran; it waits until it can run alone", one.Ends, one.Release)
}
