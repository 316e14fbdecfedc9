package cli

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

var agoPattern = regexp.MustCompile(`^([0-9]{1,6})(d|w)$`)

// when reads a point in time: a duration before now (90s, 2h, 3d, 1w), a day or a minute in local time, today,
// yesterday, or RFC 3339.
func (p *program) when(text string) (time.Time, error) {
	now := p.now().In(p.zone)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, p.zone)
	switch text {
	case "today":
		return midnight, nil
	case "yesterday":
		return midnight.AddDate(0, 0, -1), nil
	}
	if d, err := span(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{"2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(layout, text, p.zone); err == nil {
			return t, nil
		}
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time; write 2h, 3d, 2026-11-20, \"2026-11-20 14:05\", today, yesterday, or RFC 3339", text)
}

// span reads a duration, also in days and weeks. It is not negative.
func span(text string) (time.Duration, error) {
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
