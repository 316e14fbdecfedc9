package release

import (
	"context"
	"fmt"
	"log/slog"
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

// CrashLoops counts and returns the records of processes that have ended.
type CrashLoops interface {
	CountCrashes(ctx context.Context) ([]inbox.CrashRecord, error)
	CrashRecords(ctx context.Context) ([]inbox.CrashRecord, error)
	EnableOtherReleases(ctx context.Context, plugin, except string) error
}

// CrashStore is the store of all crash records.
type CrashStore interface {
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

// quietPeriod is the time after a start in which no release in a crash loop runs. If the program crashes in that time, these
// releases are not the cause.
const quietPeriod = 2 * time.Second

// clearRetry is the wait after a failed deletion of a record: a full disk stays full for a while.
const clearRetry = 10 * time.Second

// readAgain replaces the stamp of a plugin's files, so that they are read again although they have not changed.
const readAgain = "to be read again"

// endTimeout bounds the last write of a program that stops.
const endTimeout = time.Second

// AttemptCounter counts the attempts of a release until it has survived. The zero value is ready.
type AttemptCounter struct {
	over  atomic.Bool // the release has survived
	mu    sync.Mutex
	first time.Time // when the first attempt began
	begun int       // attempts that began within surviveFor of it; surviveAttempts at most
	ended int       // attempts that began and ended
}

// Begin counts an attempt that begins. The returned function counts its end.
func (t *AttemptCounter) Begin(now time.Time) (end func()) {
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
func (t *AttemptCounter) full(now time.Time) bool {
	return t.begun == surviveAttempts || now.Sub(t.first) > surviveFor
}

// idle reports whether no attempt has begun.
func (t *AttemptCounter) idle() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.first.IsZero()
}

// survived reports whether the release has survived at the time now.
func (t *AttemptCounter) survived(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.first.IsZero() && t.full(now) && t.ended == t.begun {
		t.over.Store(true)
	}
	return t.over.Load()
}

// crashLoop keeps the crash records of this process and of those before it. It decides when a release in a crash loop may run.
// It belongs to Run's goroutine.
type crashLoop struct {
	store      CrashStore
	log        *slog.Logger
	now        func() time.Time
	counted    bool      // the crashes of the process before were counted
	lastError  string    // the last logged reason why they could not be counted
	solo       string    // plugin whose release of the crash loop runs alone; empty for none
	quietUntil time.Time // no release of the crash loop runs before: if the program crashes even so, none of them is the cause
}

// count lets the store count the end of the process before this one, once, and logs the releases in a crash loop.
func (c *crashLoop) count(ctx context.Context) {
	list, err := c.store.CountCrashes(ctx)
	if err != nil {
		if ctx.Err() == nil && c.lastError != err.Error() {
			c.log.Error("cannot read how the program ended last time; plugins wait", "error", err)
			c.lastError = err.Error()
		}
		return
	}
	c.counted = true
	var looping []string
	for i := range list {
		switch record := &list[i]; {
		case !record.DisabledAt.IsZero():
			c.log.Error("a release is disabled", "plugin", record.Plugin, "release", record.Release, "reason", record.Why)
		case record.InCrashLoop():
			looping = append(looping, record.Plugin)
		}
	}
	if len(looping) > 0 {
		c.quietUntil = c.now().Add(quietPeriod)
		c.log.Error("the program ended several times in a row, each time while these plugins ran; they run one at a time until the culprit is known",
			"plugins", looping)
	}
}

// clear deletes the record of a release that survived, or that cannot run. The caller tries again when it fails.
func (c *crashLoop) clear(ctx context.Context, r *inbox.Release) bool {
	err := c.store.ClearCrashes(ctx, r.Plugin, r.ID)
	if err != nil && ctx.Err() == nil {
		c.log.Warn("cannot record that a release survived", "plugin", r.Plugin, "error", err)
	}
	return err == nil
}

// endCleanly deletes the records of this process: no release has crashed it.
func (c *crashLoop) endCleanly(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := c.store.EndCleanly(ctx); err != nil {
		c.log.Warn("cannot record that the program ended normally", "error", err)
	}
}

// ofPlugin returns the crash records and disabled releases of a plugin, by release.
func (c *crashLoop) ofPlugin(ctx context.Context, plugin string) (map[string]inbox.CrashRecord, error) {
	all, err := c.store.CrashRecords(ctx)
	if err != nil {
		return nil, err
	}
	known := map[string]inbox.CrashRecord{}
	for _, record := range all {
		if record.Plugin == plugin && known[record.Release].DisabledAt.IsZero() { // other processes may have records of it too
			known[record.Release] = record
		}
	}
	return known, nil
}

// enable enables the disabled releases of a plugin once its own release runs: its file has changed, or an operator chose
// another release. Before that they stay disabled, because a fallback or the release before it may be disabled too.
func (c *crashLoop) enable(ctx context.Context, r *inbox.Release) {
	known, err := c.ofPlugin(ctx, r.Plugin)
	for _, record := range known {
		if err == nil && !record.DisabledAt.IsZero() && record.Release != r.ID {
			err = c.store.EnableOtherReleases(ctx, r.Plugin, r.ID)
			break
		}
	}
	if err != nil && ctx.Err() == nil {
		c.log.Warn("cannot enable the disabled releases; the next read of the plugin's file repeats it", "plugin", r.Plugin, "error", err)
	}
}

// checkRunning deletes the records of releases that have survived. It runs releases in a crash loop one at a time, in the order
// of their plugins' names.
func (s *Loader) checkRunning(ctx context.Context, stamps map[string]string) {
	c, now := s.crashes, s.opt.Now()
	for _, b := range s.states {
		if l := b.live; l != nil && !l.cleared && !now.Before(l.retryClear) && l.Attempts.survived(now) {
			l.cleared, l.retryClear = c.clear(ctx, &l.Release), now.Add(clearRetry)
		}
	}
	if b := s.states[c.solo]; b != nil && !b.soloOver(now) {
		return
	}
	c.solo = ""
	if now.Before(c.quietUntil) {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.states)) {
		if b := s.states[name]; b.waitsForSolo {
			s.opt.Log.Info("a release in the crash loop now runs alone", "plugin", name)
			c.solo, b.waitsForSolo, b.read = name, false, readAgain
			b.seen = stamps[name] // it is read at this poll
			return
		}
	}
}

// soloOver reports whether the next release in a crash loop may run: this one has survived, does not run, or has no events.
// Without events its record stays.
func (b *pluginState) soloOver(now time.Time) bool {
	switch {
	case b.busy || b.read == readAgain:
		return false
	case b.live == nil:
		return true
	}
	return b.live.cleared || (b.live.Attempts.idle() && now.Sub(b.live.since) > surviveFor)
}

func disabledText(disabled *inbox.CrashRecord, instead string) string {
	text := fmt.Sprintf("release %s is disabled: %s; ", disabled.Release, disabled.Why)
	if instead == "" {
		return text + "it has no fallback"
	}
	return text + "release " + instead + " runs in its place"
}

func crashLoopText(record *inbox.CrashRecord) string {
	return fmt.Sprintf("the program ended %d times in a row while release %s ran; it waits until it can run alone", record.Ends, record.Release)
}
