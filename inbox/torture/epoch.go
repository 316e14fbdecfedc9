package torture

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"inbox/inbox"
	"inbox/inbox/datadir"
)

// begin lays out a new store's directory. Its first start is killed in the migration, unless it is a copy.
func (t *campaign) begin(ctx context.Context) error {
	t.world = newWorld()
	t.world.base = int64(t.opt.Stored)
	if err := os.MkdirAll(filepath.Join(t.data, datadir.Plugins), 0o700); err != nil {
		return inbox.Errorf(inbox.Unavailable, "make a store to torture", "%w", err)
	}
	if err := os.WriteFile(filepath.Join(t.data, "torture.toml"), []byte(sourcesFile), 0o600); err != nil {
		return inbox.Errorf(inbox.Unavailable, "make a store to torture", "%w", err)
	}
	if err := t.layPlugins("0"); err != nil {
		return inbox.Errorf(inbox.Unavailable, "lay out the plugins", "%w", err)
	}
	if t.opt.Stored > 0 {
		return copyStore(t.template(), t.data)
	}
	h := fault{point: "in a migration", what: "kill -9"}
	s, err := t.start(ctx, arms{armed: true, env: []string{envCrash + "=" + pointMigrate + ":1"}})
	if err != nil {
		return err
	}
	s.happened = !s.ready()
	if !s.happened {
		t.report.broke("the server was to die in the migration and did not")
	}
	s.finish(t)
	t.report.count(&h, s)
	t.check(ctx, h.String())
	return nil
}

// honestOnes selects the rows of plugins that the oracle knows: a hostile one may never settle its events.
const honestOnes = `plugin NOT IN (SELECT id FROM plugins WHERE name LIKE 'hostile-%')`

// end lets a server without faults finish all work, discards dead letters so that parked lanes continue, and
// checks the whole store a last time.
func (t *campaign) end(ctx context.Context) error {
	s, err := t.start(ctx, arms{})
	if err != nil || !s.ready() {
		return err
	}
	began := time.Now()
	for turn := 0; ; turn++ {
		t.drain(ctx, s)
		dead := t.figure(ctx, `SELECT count(*) FROM dead WHERE resolution = ''`)
		t.opt.Say("all work ended after %s; %d are dead", time.Since(began).Round(time.Millisecond), dead)
		if dead == 0 || turn == 30 || len(t.report.Broken) > 0 {
			break
		}
		if _, err := t.run(ctx, "dead", "discard", "--all", "-y"); err != nil {
			t.report.broke("what is dead cannot be given up: %v", err)
		}
	}
	const left = `SELECT (SELECT count(*) FROM lanes WHERE ` + honestOnes + `) + (SELECT count(*) FROM runs WHERE ` + honestOnes + `)
		+ (SELECT count(*) FROM replays WHERE state = 'running')`
	if left := t.figure(ctx, left); left != 0 {
		t.report.broke("law 3: with nothing in the way, %d lanes, runs and replays have not ended", left)
	}
	t.report.Attempts += t.figure(ctx, `SELECT count(*) FROM attempts`)
	t.report.Events += t.figure(ctx, `SELECT count(*) FROM events`)
	s.stop(t)
	s.finish(t)
	t.check(ctx, "the end")
	return nil
}

// sum adds the figures of the store to the report.
func (t *campaign) sum() {
	w := t.world
	w.mu.Lock()
	defer w.mu.Unlock()
	t.report.Sent += w.count
	t.report.Answered += int64(len(w.acks))
	t.report.Refused += w.refused
	t.report.Replays += w.replays
	for _, n := range w.holds {
		t.report.Holds += int64(n)
	}
}

// enableBlamed enables the plugins that the server has disabled because the program ended while only they ran. The kills of
// torture cause that, and no honest plugin crashes the server. An operator who killed the program is told to do the same. A
// release that was disabled for a failure of its plugin stays disabled.
func (t *campaign) enableBlamed(ctx context.Context) {
	for _, a := range actors() {
		if t.figure(ctx, `SELECT count(*) FROM crash_records WHERE plugin = ? AND disabled_at IS NOT NULL AND why = ?`, a.name, inbox.WhyBlamed) > 0 {
			t.resume(ctx, a.name, "torture killed the program")
		}
	}
}

// resume resumes a plugin by the command line. A call that fails is repeated later; a plugin that stays stopped breaks law 3.
func (t *campaign) resume(ctx context.Context, plugin, reason string) {
	if _, err := t.run(ctx, "plugin", "resume", plugin, "--reason", reason); err != nil {
		t.opt.Say("%s cannot be resumed yet: %v", plugin, err)
		return
	}
	t.report.Resumed++
}

// drain waits until only parked lanes are left. Now and then it sends events that succeed: where nothing but bad
// events is left over three lanes, a plugin is on hold, and attempts do not count.
func (t *campaign) drain(ctx context.Context, s *server) {
	const waiting = `SELECT (SELECT count(*) FROM lanes WHERE state = 'retry' AND ` + honestOnes + `)
		+ (SELECT count(*) FROM runs WHERE waits = 0 AND ` + honestOnes + `) + (SELECT count(*) FROM replays WHERE state = 'running')`
	const left = waiting + ` + (SELECT count(*) FROM lanes WHERE state = 'ready' AND ` + honestOnes + `)
		+ (SELECT coalesce(max(seq), 0) FROM events) - (SELECT coalesce(min(cursor), 0) FROM plugins WHERE name NOT LIKE 'hostile-%')`
	for until := time.Now().Add(t.opt.Drain); !t.zero(ctx, left, 2*time.Second); {
		if ctx.Err() != nil {
			return
		}
		if time.Now().After(until) || !s.alive() {
			t.report.broke("law 3: after %s without faults some work has not ended: %s; the server's last words: %s",
				t.opt.Drain, t.where(ctx), s.last())
			return
		}
		t.enableBlamed(ctx)
		t.well, t.drains = true, t.drains+1
		traffic := t.send(ctx, s)
		t.zero(ctx, waiting, 10*time.Second)
		traffic.stop()
		t.well = false
	}
}

// zero waits until a figure is zero, at most so long, and reports whether it is.
func (t *campaign) zero(ctx context.Context, query string, most time.Duration) bool {
	for until := time.Now().Add(most); ctx.Err() == nil && time.Now().Before(until); rest(ctx, 20*time.Millisecond) {
		if t.figure(ctx, query) == 0 {
			return true
		}
	}
	return false
}

// where describes the work that has not ended.
func (t *campaign) where(ctx context.Context) string {
	text := fmt.Sprintf("head %d", t.figure(ctx, `SELECT coalesce(max(seq), 0) FROM events`))
	for _, a := range actors() {
		text += fmt.Sprintf(", %s at %d, held %d, lanes %d", a.name,
			t.figure(ctx, `SELECT coalesce(max(cursor), -1) FROM plugins WHERE name = ?`, a.name),
			t.figure(ctx, `SELECT count(held_at) FROM plugins WHERE name = ?`, a.name),
			t.figure(ctx, `SELECT count(*) FROM lanes WHERE state <> 'parked' AND plugin = (SELECT id FROM plugins WHERE name = ?)`, a.name))
	}
	return text + fmt.Sprintf(", disabled %d, replays %d", t.figure(ctx, `SELECT count(*) FROM crash_records WHERE disabled_at IS NOT NULL`),
		t.figure(ctx, `SELECT count(*) FROM replays WHERE state = 'running'`))
}

// figure asks the store of a running server for one number. The connection may only read, so that closing it does not
// move the write-ahead log.
func (t *campaign) figure(ctx context.Context, query string, args ...any) int64 {
	address := url.URL{Scheme: "file", Opaque: filepath.Join(t.data, datadir.Database), RawQuery: "mode=ro&_pragma=busy_timeout(5000)"}
	db, err := sql.Open("sqlite", address.String())
	if err == nil {
		defer db.Close()
		var n int64
		if err = db.QueryRowContext(ctx, query, args...).Scan(&n); err == nil {
			return n
		}
	}
	if ctx.Err() == nil {
		t.report.broke("the store cannot be read: %v", err)
	}
	return -1
}
