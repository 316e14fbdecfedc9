package console

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"inbox/inbox"
)

// stampLayout is the layout of times in tables: local time with its offset.
const stampLayout = "2006-01-02 15:04:05 -07:00"

var agoPattern = regexp.MustCompile(`^([0-9]{1,6})(d|w)$`)

// When parses a point in time: a duration before now (90s, 2h, 3d, 1w), a day or a minute in local time, today,
// yesterday, or RFC 3339.
func (c *Console) When(text string) (time.Time, error) {
	zone := c.local()
	now := c.Now().In(zone)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, zone)
	switch text {
	case "today":
		return midnight, nil
	case "yesterday":
		return midnight.AddDate(0, 0, -1), nil
	}
	if d, err := Span(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{"2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, nil
		}
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time; write 2h, 3d, 2026-11-20, \"2026-11-20 14:05\", today, yesterday, or RFC 3339", text)
}

// Stamp formats a time in local time with its offset. It returns "-" for the zero time.
func (c *Console) Stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(c.local()).Format(stampLayout)
}

// local returns the zone of the console. If TZ names no known zone, the first call writes the warning.
func (c *Console) local() *time.Location {
	if c.ZoneNote != "" {
		c.Say("%s", c.ZoneNote)
		c.ZoneNote = ""
	}
	return c.Zone
}

// ZoneProblem returns a warning if TZ names no known zone, else an empty string. Package time silently uses UTC for a zone that
// it cannot find (https://pkg.go.dev/time#Location).
func ZoneProblem(tz string) string {
	name := strings.TrimPrefix(tz, ":")
	var err error
	switch {
	case name == "":
	case filepath.IsAbs(name):
		err = zoneFile(name)
	default:
		_, err = time.LoadLocation(name)
	}
	if err == nil {
		return ""
	}
	return fmt.Sprintf("TZ=%s is not a time zone of this machine; times are in UTC (write a name such as Africa/Lagos)", inbox.Printable(tz))
}

func zoneFile(path string) error {
	const longest = 1 << 20
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, longest))
	if err == nil {
		_, err = time.LoadLocationFromTZData(path, data)
	}
	return err
}

// Span parses a duration, also in days (3d) and weeks (1w). A negative duration is an error.
func Span(text string) (time.Duration, error) {
	if m := agoPattern.FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			return 0, fmt.Errorf("%q is not a duration: %w", text, err)
		}
		days := map[string]int{"d": 1, "w": 7}[m[2]]
		return time.Duration(n*days) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a duration; write 90s, 2h, 3d or 1w", text)
	}
	return d, nil
}
