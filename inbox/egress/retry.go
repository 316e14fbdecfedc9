package egress

import (
	"net/http"
	"strings"
	"time"

	"inbox/inbox"
)

// Final returns what the status of a final response means for an effect: OK for 2xx, which ends it; Reject for 400, 410, 413 and 422,
// which would be the same at every retry; Retry for everything else, redirects included, since an operator or a receiver
// mends it.
func Final(status int) inbox.Result {
	switch {
	case status >= 200 && status <= 299:
		return inbox.OK
	case status == http.StatusBadRequest, status == http.StatusGone,
		status == http.StatusRequestEntityTooLarge, status == http.StatusUnprocessableEntity:
		return inbox.Reject
	}
	return inbox.Retry
}

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
