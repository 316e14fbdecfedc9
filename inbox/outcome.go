package inbox

import "time"

// Result is the outcome of an attempt in one word.
type Result string

// The results that a plugin may return.
const (
	OK     Result = "ok"
	Skip   Result = "skip"   // seen, nothing to do
	Retry  Result = "retry"  // not now
	Reject Result = "reject" // never: this event is bad for this plugin
)

// The failures. A bug must never acknowledge an event, so every end of an attempt without one of the four words above is one of
// these, and is retried by policy.
const (
	Trap       Result = "trap"       // the guest trapped: unreachable, out of bounds, stack overflow, …
	Exit       Result = "exit"       // it exited with a code without a meaning
	Timeout    Result = "timeout"    // it used up its time
	Fuel       Result = "fuel"       // it used up its instructions
	Memory     Result = "memory"     // it asked for more memory than it may have
	Output     Result = "output"     // it wrote more than it may
	BadResult  Result = "bad_result" // its result does not follow the contract
	Denied     Result = "denied"     // it asked for something that was not granted, or that this version does not have
	Unreadable Result = "unreadable" // the stored payload is damaged; the plugin did not run
	HostError  Result = "host_error" // the host could not run it; the plugin did not run
)

// Results are all results in the order of their declaration; the schema's CHECK lists the same.
func Results() []Result {
	return []Result{OK, Skip, Retry, Reject, Trap, Exit, Timeout, Fuel, Memory, Output, BadResult, Denied, Unreadable, HostError}
}

// Settled reports whether r ends the run with success.
func (r Result) Settled() bool { return r == OK || r == Skip }

// Outcome is the result of one attempt, with everything that is recorded about it.
type Outcome struct {
	Result      Result
	Reason      string        // in words; may hold personal data, so it is stored beside the payloads
	HostWords   int           // bytes at the start of Reason that are the host's own words; the rest are the plugin's
	RetryAfter  time.Duration // retry_after of the plugin's result; zero without one
	Duration    time.Duration // from the delivery of the event to its result
	Fuel        int64         // instructions it took, and bytes moved for it; zero when they were not counted
	Release     string        // the release that ran
	Log         []byte        // the guest's stderr (and stdout, in session mode), cut at the limit
	LogCut      bool
	AtStart     bool  // the guest failed before it asked for its first event: the release's fault, not the event's
	Interrupted bool  // our own shutdown ended it: no attempt, and not recorded
	Unavailable error // the store could not be read during the attempt: with Interrupted
	Effects     *Effects
}
