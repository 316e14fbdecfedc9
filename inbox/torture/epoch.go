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

// beginEpoch creates the directory of a new store. The first start is killed in the migration, unless the store is a copy.
func (t *campaign) beginEpoch(ctx context.Context) error {
	t.history = newHistory()
	t.history.base = int64(t.opt.Stored)
	if err := t.receive(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(t.data, datadir.Plugins), 0o700); err != nil {
		return inbox.Errorf(inbox.Unavailable, "make a store to torture", "%w", err)
	}
	if err := os.WriteFile(filepath.Join(t.data, "torture.toml"), []byte(sourcesFile), 0o600); err != nil {
		return inbox.Errorf(inbox.Unavailable, "make a store to torture", "%w", err)
	}
	if err := t.writePlugins("0"); err != nil {
		return inbox.Errorf(inbox.Unavailable, "write the plugins", "%w", err)
	}
	if t.opt.Stored > 0 {
		return copyStore(t.template(), t.data)
	}
	h := fault{point: "in a migration", kind: "kill -9"}
	s, err := t.start(ctx, setup{mayEnd: true, env: []string{envCrash + "=" + pointMigrate + ":1"}})
	if err != nil {
		return err
	}
	s.happened = !s.ready()
	if !s.happened {
		t.report.broke("the server was not killed in the migration")
	}
	s.finish(t)
	t.report.count(&h, s)
	t.check(ctx, h.String())
	return nil
}

// honestFilter selects the rows of the honest plugins. A hostile plugin may never settle its events.
const honestFilter = `plugin NOT IN (SELECT id FROM plugins WHERE name LIKE 'hostile-%')`

// endEpoch lets a server without faults finish all work. It discards dead letters, so that parked lanes continue, and checks the
// whole store a last time.
func (t *campaign) endEpoch(ctx context.Context) error {
	s, err := t.start(ctx, setup{})
	if err != nil || !s.ready() {
		return err
	}
	began := time.Now()
	for turn := 0; ; turn++ {
		t.drain(ctx, s)
		dead := t.queryInt(ctx, `SELECT (SELECT count(*) FROM dead WHERE resolution = '') + (SELECT count(*) FROM effects WHERE state = 'dead')`)
		t.opt.Logf("all work ended after %s; %d dead letters", time.Since(began).Round(time.Millisecond), dead)
		if dead == 0 || turn == 30 || len(t.report.Broken) > 0 {
			break
		}
		for _, kind := range []string{"delivery", "effect"} {
			if _, err := t.run(ctx, "dead", "discard", "--kind", kind, "--all", "-y"); err != nil {
				t.report.broke("the dead letters cannot be discarded: %v", err)
			}
		}
	}
	const left = `SELECT (SELECT count(*) FROM lanes WHERE ` + honestFilter + `) + (SELECT count(*) FROM runs WHERE ` + honestFilter + `)
		+ (SELECT count(*) FROM replays WHERE state = 'running') + (SELECT count(*) FROM effects WHERE open = 1)`
	if left := t.queryInt(ctx, left); left != 0 {
		t.report.broke("law 3: %d lanes, runs, replays and requests have not ended although nothing stops them", left)
	}
	t.report.Attempts += t.queryInt(ctx, `SELECT count(*) FROM attempts`)
	t.report.Events += t.queryInt(ctx, `SELECT count(*) FROM events`)
	s.stop(t)
	s.finish(t)
	t.check(ctx, "the end")
	return nil
}

// addCounts adds the counts of the history to the report.
func (t *campaign) addCounts() {
	w := t.history
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
	for _, a := range honestPlugins() {
		if t.queryInt(ctx, `SELECT count(*) FROM crash_records WHERE plugin = ? AND disabled_at IS NOT NULL AND why = ?`, a.name, inbox.WhyBlamed) > 0 {
			t.resume(ctx, a.name, "torture killed the program")
		}
	}
}

// resume resumes a plugin with the command line. After an error the caller repeats it later. A plugin that stays stopped breaks
// law 3.
func (t *campaign) resume(ctx context.Context, plugin, reason string) {
	if _, err := t.run(ctx, "plugin", "resume", plugin, "--reason", reason); err != nil {
		t.opt.Logf("%s cannot be resumed yet: %v", plugin, err)
		return
	}
	t.report.Resumed++
}

// drain waits until only parked lanes are left. From time to time it sends events that succeed. If only failing events of three
// lanes were left, their plugin would be on hold and the attempts would not count.
func (t *campaign) drain(ctx context.Context, s *server) {
	const waiting = `SELECT (SELECT count(*) FROM lanes WHERE state = 'retry' AND ` + honestFilter + `)
		+ (SELECT count(*) FROM runs WHERE waits = 0 AND ` + honestFilter + `) + (SELECT count(*) FROM replays WHERE state = 'running')`
	const left = waiting + ` + (SELECT count(*) FROM effects WHERE due_at IS NOT NULL) + (SELECT count(*) FROM lanes WHERE state = 'ready' AND ` + honestFilter + `)
		+ (SELECT coalesce(max(seq), 0) FROM events) - (SELECT coalesce(min(cursor), 0) FROM plugins WHERE name NOT LIKE 'hostile-%')`
	for until := time.Now().Add(t.opt.Drain); !t.waitForZero(ctx, left, 2*time.Second); {
		if ctx.Err() != nil {
			return
		}
		if time.Now().After(until) || !s.alive() {
			t.report.broke("law 3: after %s without faults some work has not ended: %s; the server's last log lines: %s",
				t.opt.Drain, t.unfinished(ctx), s.last())
			return
		}
		t.enableBlamed(ctx)
		t.onlyOK, t.drains = true, t.drains+1
		traffic := t.send(ctx, s)
		t.waitForZero(ctx, waiting, 10*time.Second)
		traffic.stop()
		t.onlyOK = false
	}
}

// waitForZero waits until the result of a query is zero, up to timeout. It reports whether the result is zero.
func (t *campaign) waitForZero(ctx context.Context, query string, timeout time.Duration) bool {
	for until := time.Now().Add(timeout); ctx.Err() == nil && time.Now().Before(until); sleep(ctx, 20*time.Millisecond) {
		if t.queryInt(ctx, query) == 0 {
			return true
		}
	}
	return false
}

// unfinished describes the work that has not ended.
func (t *campaign) unfinished(ctx context.Context) string {
	text := fmt.Sprintf("head %d", t.queryInt(ctx, `SELECT coalesce(max(seq), 0) FROM events`))
	for _, a := range honestPlugins() {
		text += fmt.Sprintf(", %s at %d, held %d, lanes %d", a.name,
			t.queryInt(ctx, `SELECT coalesce(max(cursor), -1) FROM plugins WHERE name = ?`, a.name),
			t.queryInt(ctx, `SELECT count(held_at) FROM plugins WHERE name = ?`, a.name),
			t.queryInt(ctx, `SELECT count(*) FROM lanes WHERE state <> 'parked' AND plugin = (SELECT id FROM plugins WHERE name = ?)`, a.name))
	}
	return text + fmt.Sprintf(", requests %d, origins on hold %d, disabled %d, replays %d", t.queryInt(ctx, `SELECT count(*) FROM effects WHERE open = 1`),
		t.queryInt(ctx, `SELECT count(held_at) FROM effect_origins`), t.queryInt(ctx, `SELECT count(*) FROM crash_records WHERE disabled_at IS NOT NULL`),
		t.queryInt(ctx, `SELECT count(*) FROM replays WHERE state = 'running'`))
}

// queryInt reads one number from the store of a running server. The connection is read-only, so that its close does not
// checkpoint the write-ahead log.
func (t *campaign) queryInt(ctx context.Context, query string, args ...any) int64 {
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
