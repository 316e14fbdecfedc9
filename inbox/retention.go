package inbox

import "time"

// Retention says how long a store keeps what the work of plugins left behind. A zero duration keeps it forever.
type Retention struct {
	State   time.Duration // changes of state documents; the newest change of a document is always kept
	Effects time.Duration // requests that were sent or discarded, with their tries and answers, and fetches
}
