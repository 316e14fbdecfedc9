package inbox

import "time"

// QuarantineBounds bound what strangers can make the store keep.
type QuarantineBounds struct {
	Count int64         // requests
	Bytes int64         // of headers and bodies
	Age   time.Duration // since a request came first
}

// DefaultQuarantine keeps ten thousand requests or 64 MiB for a week.
func DefaultQuarantine() QuarantineBounds {
	return QuarantineBounds{Count: 10_000, Bytes: 64 << 20, Age: 7 * 24 * time.Hour}
}
