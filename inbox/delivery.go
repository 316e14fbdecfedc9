package inbox

// Outcomes that deliveries are listed by, beside the results of attempts: where a delivery stands.
const (
	OutcomeRetry     = "retry"     // its newest attempt failed, and it is due again
	OutcomeWaiting   = "waiting"   // behind an earlier event of its lane
	OutcomePending   = "pending"   // its turn has not come
	OutcomeHeld      = "held"      // it retries, waits or is pending, and its plugin is on hold
	OutcomeDead      = "dead"      // it will not be tried again by itself
	OutcomeDiscarded = "discarded" // an operator gave it up
)

// Outcomes returns all words that deliveries can be listed by.
func Outcomes() []string {
	words := []string{OutcomeRetry, OutcomeWaiting, OutcomePending, OutcomeHeld, OutcomeDead, OutcomeDiscarded}
	for _, r := range Results() {
		if r != Retry {
			words = append(words, string(r))
		}
	}
	return words
}

// DeliveryStatus is one event in one plugin: where it stands, and what its newest attempt came to.
type DeliveryStatus struct {
	Event  Event
	Plugin string
	State  DeliveryState
	Trace  DeliveryTrace // without attempts
	Result Result        // of the newest attempt; empty: there was none
	Tried  int           // attempts of all runs
}

// DeliveryFilter selects deliveries by their events, and by what became of them.
type DeliveryFilter struct {
	Filter            // its Plugin is the one whose deliveries are meant; empty: all
	Outcomes []string // of Outcomes

	// Manifest returns what is in force for a plugin: what it does not want neither waits nor is pending. Nil: all is wanted.
	Manifest func(plugin string) (*Manifest, error)
}
