package console

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAnUnknownTimeZoneIsReportedByName(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "zone")
	if err := os.WriteFile(bad, []byte("not a zone"), 0o600); err != nil {
		t.Fatal(err)
	}
	for tz, unknown := range map[string]bool{
		"": false, "UTC": false, ":UTC": false, "Africa/Lagos": false,
		"Mars/Olympus": true, ":Mars": true, "WAT-1": true, "../etc/passwd": true, "/no/such/file": true, bad: true,
	} {
		if _, err := time.LoadLocation("Africa/Lagos"); err != nil && tz == "Africa/Lagos" {
			continue // this machine knows no zones
		}
		if got := ZoneProblem(tz); (got != "") != unknown || unknown && !strings.Contains(got, "TZ="+tz) {
			t.Errorf("TZ=%s: %q", tz, got)
		}
	}
	if got := ZoneProblem("a\x1b[2Jb"); strings.Contains(got, "\x1b") {
		t.Errorf("%q contains an escape sequence", got)
	}
}

func TestAnUnknownTimeZoneIsReportedOnceAndOnlyWhereTimesAreShown(t *testing.T) {
	t.Parallel()
	c, _, err := testConsole("")
	c.ZoneNote = ZoneProblem("Mars/Olympus")
	if e := c.Print("no time"); e != nil || err.Len() > 0 {
		t.Errorf("a command without times writes %s, %v", err, e)
	}
	for range 2 {
		c.Stamp(time.Now())
	}
	if got := strings.Count(err.String(), "Mars/Olympus"); got != 1 {
		t.Errorf("it is reported %d times: %s", got, err)
	}
}
