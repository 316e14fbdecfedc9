package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Retention is written in whole days, or as a Go duration, or as forever.
const (
	forever = "forever"
	day     = 24 * time.Hour
	maxDays = 36_500
)

// retention parses how long something is kept. Zero means forever.
func retention(to *time.Duration, v string) error {
	*to = 0
	if v == forever {
		return nil
	}
	d, err := time.ParseDuration(v)
	if days, isDays := strings.CutSuffix(v, "d"); isDays {
		var n int
		if n, err = strconv.Atoi(days); err == nil && n <= maxDays {
			d = time.Duration(n) * day
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("is %q, not a time such as \"90d\", \"12h\" or \"forever\"", v)
	case d < time.Hour || d > maxDays*day:
		return fmt.Errorf("is %q, not between one hour and %d days; \"forever\" keeps everything", v, maxDays)
	}
	*to = d
	return nil
}

// retentionText formats a retention so that it can be parsed again.
func retentionText(d time.Duration) string {
	switch {
	case d == 0:
		return forever
	case d%day == 0:
		return strconv.Itoa(int(d/day)) + "d"
	}
	return d.String()
}
