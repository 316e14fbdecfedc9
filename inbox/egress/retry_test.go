package egress_test

import (
	"testing"
	"time"

	"inbox/inbox/egress"
)

func TestRetryAfterIsReadAsSecondsOrADateAndBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"0": 0, "7": 7 * time.Second, " 120 ": 2 * time.Minute, "007": 7 * time.Second, "86400": egress.MaxRetryAfter, "86401": egress.MaxRetryAfter,
		"99999999999999999999999999": egress.MaxRetryAfter, "Tue, 01 Dec 2026 12:01:00 GMT": time.Minute, "Tuesday, 01-Dec-26 12:01:00 GMT": time.Minute,
		"Tue Dec  1 12:01:00 2026": time.Minute, "Tue, 01 Dec 2026 11:00:00 GMT": 0, "Fri, 31 Dec 9999 23:59:59 GMT": egress.MaxRetryAfter,
		"Mon, 01 Jan 0001 00:00:00 GMT": 0,
	} {
		if got, ok := egress.RetryAfter(value, now); !ok || got != want {
			t.Errorf("%q: %s %v, want %s", value, got, ok, want)
		}
	}
	for _, value := range []string{"", " ", "-1", "1.5", "1e3", "soon", "5s", "2026-12-01T12:00:00Z", "+5", "１２"} {
		if got, ok := egress.RetryAfter(value, now); ok || got != 0 {
			t.Errorf("%q: %s %v", value, got, ok)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120")
	f.Add("Tue, 01 Dec 2026 12:01:00 GMT")
	f.Fuzz(func(t *testing.T, value string) {
		if got, _ := egress.RetryAfter(value, time.Unix(0, 0)); got < 0 || got > egress.MaxRetryAfter {
			t.Errorf("%q: %s", value, got)
		}
	})
}
