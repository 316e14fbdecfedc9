package egress

import (
	"net/http"
	"strings"
	"time"
)

// MaxRetryAfter is the longest wait that a receiver may ask for.
const MaxRetryAfter = 24 * time.Hour

// RetryAfter reads the header Retry-After (RFC 9110, section 10.2.3): seconds, or a date in one of HTTP's three formats. The wait
// is between 0 and [MaxRetryAfter]; a date that has passed is 0. ok is false for an empty value and one that is neither.
func RetryAfter(value string, now time.Time) (wait time.Duration, ok bool) {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0, false
	}
	if strings.Trim(value, "0123456789") == "" {
		var seconds time.Duration
		for _, digit := range value {
			if seconds = seconds*10 + time.Duration(digit-'0'); seconds > MaxRetryAfter/time.Second {
				return MaxRetryAfter, true
			}
		}
		return seconds * time.Second, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter), true
}
