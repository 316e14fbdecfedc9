package store_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

var update = flag.Bool("update", false, "rewrite testdata/schema.golden.sql")

func TestTheSchemaEqualsTheGoldenFile(t *testing.T) {
	t.Parallel()
	got := store.Schema(t, inboxtest.Store(t, store.Options{}))
	golden := filepath.Join("testdata", "schema.golden.sql")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.ReplaceAll(string(want), "\r\n", "\n"), got); diff != "" {
		t.Errorf("the schema of the migrations differs from testdata/schema.golden.sql (run with -update if that is intended):\n%s", diff)
	}
}

// For a list of three words or more, SQLite makes a temporary table for every row that is written.
func TestNoCheckHasALongList(t *testing.T) {
	t.Parallel()
	schema := store.Schema(t, inboxtest.Store(t, store.Options{}))
	for _, found := range regexp.MustCompile(`IN \([^(),]*,[^(),]*,[^()]*\)`).FindAllString(schema, -1) {
		t.Errorf("%s: write it as CASE", found)
	}
}

// The CHECKs repeat the constants of package inbox. A constant that is added there must be added here too.
func TestTheChecksAllowTheConstantsOfPackageInbox(t *testing.T) {
	t.Parallel()
	schema := store.Schema(t, inboxtest.Store(t, store.Options{}))
	column := func(table, name string, words ...string) {
		t.Helper()
		_, rest, _ := strings.Cut(schema, "CREATE TABLE "+table+" (")
		_, rest, _ = strings.Cut(rest, "\t"+name+" ")
		line, _, _ := strings.Cut(rest, "\n")
		if got := strings.Count(line, "WHEN '"); got != len(words) {
			t.Errorf("%s.%s allows %d values, not %d: %s", table, name, got, len(words), line)
		}
		for _, w := range words {
			if !strings.Contains(line, "WHEN '"+w+"' THEN 1") {
				t.Errorf("%s.%s does not allow %q", table, name, w)
			}
		}
	}
	column("attempts", "fate", string(inbox.Done), string(inbox.Again), string(inbox.Dead))
	column("events", "origin", string(inbox.FromWebhook), string(inbox.FromRecheck), string(inbox.FromImport), string(inbox.FromEmission))
	column("events", "verdict", string(inbox.Passed), string(inbox.Failed), string(inbox.Pending), string(inbox.Unknown))
	column("lanes", "state", string(inbox.LaneReady), string(inbox.LaneRetry), string(inbox.LaneParked))
	column("dead", "resolution", string(inbox.Unresolved), string(inbox.Retried), string(inbox.Discarded))
	column("replays", "only_what", string(inbox.OnlyAll), string(inbox.OnlyFailed), string(inbox.OnlyMissing))
	column("replays", "state", string(inbox.ReplayRunning), string(inbox.ReplayDone), string(inbox.ReplayCancelled))
}

func TestTheSchemaRejectsInvalidStates(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	inboxtest.Accept(t, s, inboxtest.Body(1, 1))
	for name, statement := range map[string]string{
		"an unknown verdict":                    `UPDATE events SET verdict = 'maybe'`,
		"no key":                                `UPDATE events SET key = ''`,
		"a rank above the highest":              `UPDATE events SET rank = 3, top_rank = 1`,
		"a short digest":                        `UPDATE events SET digest = x'00'`,
		"a text for a number":                   `UPDATE events SET size = 'big'`,
		"a lane in retry without a due time":    `INSERT INTO lanes VALUES (1, 'live', 'k', 1, 'retry', NULL, 1, 1, 0)`,
		"a ready lane with one":                 `INSERT INTO lanes VALUES (1, 'live', 'k', 1, 'ready', 5, 0, 0, 0)`,
		"more counted attempts than attempts":   `INSERT INTO lanes VALUES (1, 'live', 'k', 1, 'ready', NULL, 1, 2, 0)`,
		"an attempt that is ok and dead":        `INSERT INTO attempts VALUES (1, 1, 0, 1, 'ok', 'dead', 1, 0, 0, NULL, NULL, 0, NULL, 0, NULL)`,
		"a failed attempt that is done":         `INSERT INTO attempts VALUES (1, 1, 0, 1, 'trap', 'done', 1, 0, 0, NULL, NULL, 0, NULL, 0, NULL)`,
		"no result":                             `INSERT INTO attempts VALUES (1, 1, 0, 1, '', 'again', 1, 0, 0, NULL, NULL, 0, NULL, 0, NULL)`,
		"a content of an event without subject": `INSERT INTO contents (id, kind, root_seq, encoding, bytes, checksum) VALUES (1000000, 3, 1, 1, x'', 0)`,
		"a replay that parks":                   `INSERT INTO dead VALUES (1, 1, 7, 1, 'live', 'k', 1, 'reject', 0, '', NULL)`,
		"a resolution without a time":           `INSERT INTO dead VALUES (1, 1, 0, 1, 'live', 'k', 0, 'reject', 0, 'retried', NULL)`,
		"a cursor before the start":             `INSERT INTO plugins (name, created_at, started_at, cursor) VALUES ('p', 0, 5, 4)`,
		"a done replay without a finish time":   `INSERT INTO replays VALUES (1, 0, NULL, 'a', 'r', '{}', 'all', 1, 0, 1, 'done')`,
		"a text in double quotes":               `DELETE FROM meta WHERE name = "meta"`,
	} {
		if err := store.Write(s, statement); err == nil {
			t.Errorf("the schema allows %s", name)
		}
	}
}

// An insert must not build temporary tables. SQLite builds one for a CHECK with IN (…), which took an eighth of the time of an
// accept.
func TestTheChecksBuildNoTemporaryTables(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	for _, table := range []string{"events", "attempts", "lanes", "dead", "runs", "replays", "refused"} {
		// Copying a table into itself needs one.
		if n := store.Opcodes(t, s, `INSERT INTO `+table+` SELECT * FROM `+table+` WHERE 0`, "OpenEphemeral"); n > 1 {
			t.Errorf("%d temporary tables for a row of %s", n, table)
		}
	}
}

func TestTheVersionsOfTheDriverAndItsLibcMatch(t *testing.T) {
	t.Parallel()
	ask := func(args ...string) string {
		out, err := exec.Command("go", append([]string{"list", "-m"}, args...)...).Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		return strings.TrimSpace(string(out))
	}
	mod, err := os.ReadFile(ask("-f", "{{.GoMod}}", "modernc.org/sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for line := range strings.Lines(string(mod)) {
		if f := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require ")); len(f) >= 2 && f[0] == "modernc.org/libc" {
			want = f[1]
		}
	}
	if got := ask("-f", "{{.Version}}", "modernc.org/libc"); got != want || want == "" {
		t.Errorf("modernc.org/libc is %s, but modernc.org/sqlite was built and tested with %s: they must match", got, want)
	}
}
