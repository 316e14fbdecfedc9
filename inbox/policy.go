package inbox

import "time"

// OnFailure says what a dead delivery does to the later events of its lane.
type OnFailure string

// The choices.
const (
	Park     OnFailure = "park"     // they wait behind it until an operator retries or discards it (the default)
	Continue OnFailure = "continue" // they continue without it
	Block    OnFailure = "block"    // it never dies: it is retried for ever, and they wait
)

// Order says which events of a plugin wait for each other.
type Order string

// The choices.
const (
	ByKey    Order = "key"    // those of one mode and key (the default)
	Global   Order = "global" // all of one mode
	Unsorted Order = "none"   // none
)

// Policy is the retry policy of a plugin.
type Policy struct {
	MaxAttempts int           // counted attempts before a delivery dies; at least 1
	Base        time.Duration // upper bound of the first wait
	Max         time.Duration // upper bound of every wait
	OnFailure   OnFailure
	HoldAfter   int // failures in a row that put the plugin on hold
	HoldKeys    int // lanes that the failures of a hold must be spread over, at least
}

// DefaultPolicy makes twelve attempts over half a day to a day: the bounds of the waits are 1 min, 2 min, 4 min … 12 h, which
// add up to at most 29 hours, and to half of that on average, so that retries outlast an outage over night.
func DefaultPolicy() Policy {
	return Policy{MaxAttempts: 12, Base: time.Minute, Max: 12 * time.Hour, OnFailure: Park, HoldAfter: 5, HoldKeys: 3}
}

// Bound returns the longest wait after the n-th counted attempt: base × 2^(n-1), at most max.
func (p Policy) Bound(n int) time.Duration {
	d := p.Base
	for i := 1; i < n && d < p.Max; i++ {
		d *= 2
	}
	return min(d, p.Max)
}

// withDefaults returns p with every zero field set to that of another policy.
func (p Policy) withDefaults(d Policy) Policy {
	or(&p.MaxAttempts, d.MaxAttempts)
	or(&p.Base, d.Base)
	or(&p.Max, d.Max)
	or(&p.OnFailure, d.OnFailure)
	or(&p.HoldAfter, d.HoldAfter)
	or(&p.HoldKeys, d.HoldKeys)
	return p
}
