package api

// Cause is the attempt that emitted an event.
type Cause struct {
	ID      string `json:"id"` // of the event whose attempt it was
	Seq     int64  `json:"seq"`
	Plugin  string `json:"plugin"`
	Run     int64  `json:"run"`
	Attempt int    `json:"attempt"`
	Index   int    `json:"index"`            // in the attempt's list, from 0; of a response the number of the try that ended the request
	Effect  int64  `json:"effect,omitempty"` // the request whose response the event is
	Depth   int    `json:"depth"`            // of the emitted event: 1 when its cause came from outside
}

// Emitted is an event that an attempt emitted.
type Emitted struct {
	ID        string `json:"id"`
	Seq       int64  `json:"seq"`
	Event     string `json:"event"`
	EventType string `json:"event_type"`
	Key       string `json:"key"`
	Effect    int64  `json:"effect,omitempty"` // the request whose response the event is
}
