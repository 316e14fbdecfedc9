package torture

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"inbox/inbox/datadir"
)

// The hostile guest loops, allocates memory, floods its log, recurses, polls, traps or returns too much: see guests/hostile.wat.
//
//go:embed guests/hostile.wasm
var hostileGuest []byte

// hostileNames are the plugins that run the hostile guest, each with another policy.
var hostileNames = strings.Fields("hostile-continues hostile-blocks hostile-reuses")

// containedBound is the time in which the honest plugins must settle some events beside the hostile ones. It is long because
// machines are busy. Without containment the honest plugins settle no event.
const containedBound = 30 * time.Second

// besideHostile runs hostile plugins beside the honest ones until each honest one has settled events, and kills the server.
func (r *round) besideHostile() {
	before := map[string]int64{}
	for _, a := range honestPlugins() {
		before[a.name] = r.settled(a.name)
	}
	if err := r.t.writeHostile(); err != nil {
		r.t.report.broke("cannot write the hostile plugins: %v", err)
	}
	defer r.t.removeHostile()
	until := time.Now().Add(containedBound)
	for !r.hostileAttempted() || !r.honestSettled(before) {
		if !r.s.alive() {
			r.t.report.broke("law 6: the server ended beside hostile plugins: %s", r.s.last())
			return
		}
		if r.ctx.Err() != nil {
			break
		}
		if time.Now().After(until) {
			r.t.report.broke("law 6: beside hostile plugins, within %s: hostile attempts %v, every honest plugin settled events %v: %s",
				containedBound, r.hostileAttempted(), r.honestSettled(before), r.t.unfinished(r.ctx))
			break
		}
		r.t.enableBlamed(r.ctx)
		r.t.endHolds(r.ctx)
		sleep(r.ctx, 50*time.Millisecond)
	}
	r.s.happened = r.s.alive() && r.hostileAttempted()
	r.s.kill()
}

// endHolds resumes the honest plugins that are on hold, as an operator does. Five timeouts in a row on a busy machine start a
// hold, and failed probes prolong it beyond containedBound. So a hold is no sign of missing containment.
func (t *campaign) endHolds(ctx context.Context) {
	for _, a := range honestPlugins() {
		if t.queryInt(ctx, `SELECT count(held_at) FROM plugins WHERE name = ?`, a.name) > 0 {
			t.resume(ctx, a.name, "torture waits for its events")
		}
	}
}

// settled returns the number of recorded attempts of a plugin.
func (r *round) settled(plugin string) int64 {
	return r.t.queryInt(r.ctx, `SELECT count(*) FROM attempts WHERE plugin = (SELECT id FROM plugins WHERE name = ?)`, plugin)
}

// honestSettled reports whether each honest plugin has settled twenty attempts more than before.
func (r *round) honestSettled(before map[string]int64) bool {
	for name, n := range before {
		if r.settled(name) < n+20 {
			return false
		}
	}
	return true
}

// hostileAttempted reports whether a hostile plugin has made attempts.
func (r *round) hostileAttempted() bool {
	return r.t.queryInt(r.ctx, `SELECT count(*) FROM attempts WHERE plugin IN (SELECT id FROM plugins WHERE name LIKE 'hostile-%')`) > 3
}

// writeHostile writes the hostile plugins into the plugins folder.
func (t *campaign) writeHostile() error {
	dir := filepath.Join(t.data, datadir.Plugins)
	for i, name := range hostileNames {
		policy := []string{"on_failure = \"continue\"\n", "on_failure = \"block\"\n", "on_failure = \"continue\"\nreuse = 100\n"}[i]
		manifest := policy + "concurrency = 2\n[limits]\ntime = \"200ms\"\nmemory = \"16 MiB\"\n[retry]\nmax_attempts = 1\nbase = \"100ms\"\nmax = \"1s\"\n"
		if err := writeFile(dir, name+".toml", []byte(manifest)); err != nil {
			return err
		}
		if err := writeFile(dir, name+".wasm", withMark(hostileGuest, fmt.Sprint(t.round))); err != nil {
			return err
		}
	}
	return nil
}

// removeHostile removes the hostile plugins from the folder, so that the store can finish its other work.
func (t *campaign) removeHostile() {
	for _, name := range hostileNames {
		for _, ext := range []string{".wasm", ".toml"} {
			if err := os.Remove(filepath.Join(t.data, datadir.Plugins, name+ext)); err != nil && !os.IsNotExist(err) {
				t.report.broke("cannot remove a hostile plugin: %v", err)
			}
		}
	}
}
