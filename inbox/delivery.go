package inbox

// Outcomes by which deliveries are listed besides the results of attempts: the states of a delivery.
const (
	OutcomeRetry     = "retry"     // the newest attempt failed, and another one is due
	OutcomeWaiting   = "waiting"   // behind an earlier event of its lane
	OutcomePending   = "pending"   // not attempted yet, and first in its lane
	OutcomeHeld      = "held"      // retry, waiting or pending in a plugin that is on hold
	OutcomeDead      = "dead"      // a dead letter that nobody has resolved
	OutcomeDiscarded = "discarded" // a dead letter that an operator discarded
)

// Outcomes returns all words by which deliveries can be listed.
func Outcomes() []string {
	words := []string{OutcomeRetry, OutcomeWaiting, OutcomePending, OutcomeHeld, OutcomeDead, OutcomeDiscarded}
	for _, r := range Results() {
		if r != Retry {
			words = append(words, string(r))
		}
	}
	return words
}

// DeliveryStatus is a delivery in a list: one event in one plugin, with its state and the result of its newest attempt.
type DeliveryStatus struct {
	Event    Event
	Plugin   string
	State    DeliveryState
	Trace    DeliveryTrace // without attempts
	Result   Result        // of the newest attempt; empty before the first
	Attempts int           // attempts of all runs
}

// DeliveryFilter selects deliveries by their events and by their outcomes.
type DeliveryFilter struct {
	Filter            // its Plugin selects deliveries of one plugin; empty: of all
	Outcomes []string // of Outcomes

	// Manifest returns the manifest in force for a plugin: an event that it filters out neither waits nor is pending. Without
	// Manifest no event is filtered out.
	Manifest func(plugin string) (*Manifest, error)
}
