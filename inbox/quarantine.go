package inbox

import "time"

// QuarantineBounds limit the refused requests that the store keeps: anybody can send them.
type QuarantineBounds struct {
	Count int64         // requests
	Bytes int64         // of headers and bodies together
	Age   time.Duration // since a request was first received
}

// DefaultQuarantine keeps ten thousand requests or 64 MiB for a week.
func DefaultQuarantine() QuarantineBounds {
	return QuarantineBounds{Count: 10_000, Bytes: 64 << 20, Age: 7 * 24 * time.Hour}
}
