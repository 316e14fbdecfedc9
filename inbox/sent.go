package inbox

import (
	"net/http"
	"time"
)

// Sent is what became of one try to send an effect.
type Sent struct {
	Response    *Response     // nil: there was none
	Failure     Result        // without a response: Retry, Reject (it can never be sent), Denied, or Unreadable (its bytes are lost)
	Why         string        // the failure in the host's words, which hold no payload and no secret
	RetryAfter  time.Duration // of the response; zero without one
	StartedAt   time.Time
	Duration    time.Duration
	Interrupted bool // our own shutdown ended it: no try, and not recorded
	Alone       bool // it lacks something that other requests to its origin do not need, such as a secret: it waits alone, and the try is not counted
}

// Result returns what the try means for the effect. A status of 2xx is OK. 400, 410, 413 and 422 are Reject: they would be the same
// at every retry. All others are Retry, redirects included, because a receiver or an operator mends them.
func (s *Sent) Result() Result {
	if s.Response == nil {
		return s.Failure
	}
	switch status := s.Response.Status; {
	case status >= 200 && status <= 299:
		return OK
	case status == http.StatusBadRequest, status == http.StatusGone,
		status == http.StatusRequestEntityTooLarge, status == http.StatusUnprocessableEntity:
		return Reject
	}
	return Retry
}

// Outcome returns the try in the form of an attempt's outcome, for [Hold].
func (s *Sent) Outcome() Outcome {
	return Outcome{Result: s.Result(), Reason: s.Why, HostWords: len(s.Why), RetryAfter: s.RetryAfter, Duration: s.Duration, Interrupted: s.Interrupted}
}

// NextSend decides what becomes of an effect after a try. No other place decides it. It is pure, and decides as [Next]: 2xx is
// done. What the receiver refuses for good is dead at once. Everything else is tried again by the policy, with full jitter or after
// the response's Retry-After, until MaxAttempts counted tries are used up; then it is dead. A dead effect parks its lane
// unless the policy continues, or a replay asked for it. onHold means that the origin was on hold when the try ended.
func NextSend(e *Effect, s *Sent, p Policy, onHold bool, roll float64, now time.Time) Decision {
	d := Delivery{
		Plugin: e.Lane.Plugin, Seq: e.Cause.Seq, Run: e.Cause.Run, Attempt: e.Tries + 1, Counted: e.Counted, Lane: e.Lane.LaneID,
	}
	return Next(d, s.Outcome(), p, onHold || s.Alone, roll, now)
}

// SendSettlement is the set of changes of one try. It is one transaction: all of it commits, or nothing.
type SendSettlement struct {
	Term     Term    // of the server that sends
	Effect   *Effect // as it was read before the try
	Sent     *Sent
	Decision Decision     // of NextSend
	Health   HealthChange // of the origin; the seqs of its failures are ids of effects
	Emit     *Emission    // of Answered; nil: no event
}

// EffectOrigin is an origin to which a plugin has effects that are to be sent.
type EffectOrigin struct {
	Plugin string
	Origin string
	Health Health    // of the origin, as this plugin meets it
	DueAt  time.Time // when its first effect is due; zero: none is
	Paused bool      // the plugin is paused: nothing is sent
}

// Try is one recorded try of an effect.
type Try struct {
	Number    int // from 1
	StartedAt time.Time
	Duration  time.Duration
	Result    Result
	Fate      Fate
	Counted   bool
	Status    int    // of the response; 0 without one
	Why       string // in the host's words
	Response  *Response
}
