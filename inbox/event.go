package inbox

import "time"

// Mode is the mode of an event. Live and test never mix: lanes belong to one mode.
type Mode string

// The two modes.
const (
	Live Mode = "live"
	Test Mode = "test"
)

// Valid reports whether m is one of the two modes.
func (m Mode) Valid() bool { return m == Live || m == Test }

// Origin is the way by which an event got into the store.
type Origin string

// The origins.
const (
	FromWebhook  Origin = "webhook"    // answered 200 by the handler
	FromRecheck  Origin = "readmitted" // admitted from the quarantine by `inbox secret recheck`
	FromImport   Origin = "import"     // imported from another store
	FromEmission Origin = "emit"       // emitted by a plugin
)

// Verdict is the normalised result of a verification. It is never guessed: a status outside the vocabulary is
// [Unknown], and [Unknown] is never a failure.
type Verdict string

// The verdicts.
const (
	Passed  Verdict = "passed"
	Failed  Verdict = "failed"
	Pending Verdict = "pending"
	Unknown Verdict = "unknown"
)

// UnknownEvent is the name given to a signed body that is not JSON or names no event.
const UnknownEvent = "unknown"

// View has the values that package qoreid reads from a body, by the rules of NormVersion. A later version may read the same body
// better. The body itself is kept unchanged.
type View struct {
	Event             string  // QoreID's event; "unknown" without one
	EventType         string  // QoreID's event_type; empty when unknown
	ExternalID        string  // data.id as text; empty without one
	Key               string  // ordering key; empty means "its own lane", and the store makes one from the seq
	CustomerReference string  // empty without one
	Verdict           Verdict // the meaning of the status
	Status            string  // as sent
	State             string  // as sent
	SubStatus         string  // as sent
	Rank              int     // place in the life of a verification: 0 started … 3 completed; -1 unknown
	SaysDuplicate     bool    // the payload's own isDuplicate
	NormVersion       int     // version of the rules that made this view
}

// Header is one HTTP header line as received.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Payload is the part of an event that holds personal data: it is stored apart from the log and can be purged.
type Payload struct {
	Headers []Header
	Body    []byte // exactly the bytes that were signed, after Content-Encoding was removed
}

// PayloadOf is the answer for one event when many payloads are read at once.
type PayloadOf struct {
	Seq     int64
	Payload Payload
	Err     error // not nil for a payload that is purged or damaged, and for an event that is not stored
}

// Arrival is a verified event on its way into the store.
type Arrival struct {
	Source     string
	Mode       Mode
	Origin     Origin
	SecretName string    // which of the source's secrets matched; empty for origins without one
	ReceivedAt time.Time // arrival of this copy
	FirstSeen  time.Time // when the program first saw it (earlier than ReceivedAt only for readmitted events)
	NoDedup    bool      // the source has dedup = "off"
	View       View
	Payload    Payload
}

// ReceiptStatus is what became of an arrival.
type ReceiptStatus string

// The statuses, as answered to the sender.
const (
	Stored    ReceiptStatus = "stored"
	Duplicate ReceiptStatus = "duplicate"
)

// Receipt confirms that an event is on disk: the sender may forget it.
type Receipt struct {
	ID     string        `json:"id"`
	Seq    int64         `json:"seq"`
	Status ReceiptStatus `json:"status"`
}

// Event is a stored event without its payload. It never changes, except that its payload may be purged.
type Event struct {
	Seq           int64 // place in the log, from 1, without reuse
	ID            string
	Source        string
	Mode          Mode
	Origin        Origin
	SecretName    string
	View          View
	Late          bool      // an event of a higher rank and the same key was stored before it
	DuplicateHint bool      // its payload says so, or an equal (event, type, id, status) was stored before it
	Size          int       // bytes of the body
	ReceivedAt    time.Time // this arrival
	FirstSeenAt   time.Time
	StoredAt      time.Time // never decreasing along Seq
	Purged        bool      // its payload is gone
	Depth         int       // emitted: the number of emissions from an event of a source to this one; else 0
	Share         int       // emitted: the descendants that it may have; not used for an event of a source, see Allowance
}
