package inbox

import "time"

// StateID names the state document that a plugin keeps for one lane.
type StateID struct {
	Plugin string
	Lane   LaneID
}

// StateEntry is one change of a state document. The document is in force from this change until the next one of its lane.
type StateEntry struct {
	State
	StateID
	Change  int64  // from 1 in each lane
	Seq     int64  // of the event whose attempt made the change
	EventID string // of that event
	Run     int64
	Attempt int  // 0: an operator reset the document, after the change of that event
	Size    int  // bytes of the document
	Deleted bool // the change deleted the document
	At      time.Time
}

// StateMoment selects the change of a document that was in force at a moment. At most one field is set. The zero value selects the
// newest change.
type StateMoment struct {
	Change int64     // this change
	Seq    int64     // the last change before a later event changed the document
	Time   time.Time // the last change that was committed at or before a time
}

// StateFilter selects documents that are not deleted by their newest changes. Empty fields select everything.
type StateFilter struct {
	Plugin string
	Mode   Mode
	Prefix string    // of the lane's key
	Since  time.Time // changed at or after
	Until  time.Time // changed before
	Limit  int       // 0: no limit
}

// StateHistory selects changes of one document, newest first.
type StateHistory struct {
	Before    int64 // changes below it only; 0: no bound
	Limit     int   // 0: no limit
	Documents bool  // read the documents too
}
