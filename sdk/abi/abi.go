// Package abi holds the names and wire types of the plugin contract, which the host and every guest share (ABI v1,
// docs/PLUGIN-ABI.md). It imports the standard library only and builds for wasip1.
package abi

import "encoding/json"

// Version is the contract's version, the "v" of a Document.
const Version = 1

// Names of the host module and its functions. A guest that imports Next is a session.
const (
	Module = "inbox_v1"
	Next   = "next" // (buf, len) -> i32: the next document; its full length when buf is too small; NoMore at the end
	Done   = "done" // (ptr, len) -> i32: the one result of the event that next returned; 0 bytes mean ok
	Log    = "log"  // (ptr, len) -> i32: a log line; 0

	// EventRead copies a text that Withheld lists: (ptr, ptr_len, off, buf, len) -> i32. ptr is its JSON pointer, off the offset
	// in the text. It copies up to len bytes and returns the length of the whole text, or None when no such text was withheld.
	EventRead = "event_read"

	// KVGet copies the value of a key: (key, key_len, buf, len) -> i32. It copies up to len bytes and returns the length of the
	// whole value, or None for an absent key.
	KVGet = "kv_get"
	// KVSet sets a key: (key, key_len, value, value_len) -> i32. It returns 0 or an error. The write commits with the outcome ok
	// or skip, and is dropped with any other.
	KVSet = "kv_set"
	// KVDelete deletes a key: (key, key_len) -> i32. It returns 0, also for an absent key, or an error.
	KVDelete = "kv_delete"
	// KVList copies the keys with a prefix that sort after a key, as a JSON array of strings in bytewise order:
	// (prefix, prefix_len, after, after_len, buf, len) -> i32. It lists up to MaxListed keys, copies up to len bytes, and returns
	// the length of the whole array.
	KVList = "kv_list"

	// Emit emits one event, an Emission as JSON: (ptr, len) -> i32. It returns 0 or an error. The event is stored with the
	// outcome ok or skip, and dropped with any other. An event that was not granted ends the attempt.
	Emit = "emit"

	// HTTPFetch sends one request, a Request as JSON without raw and then, and waits for its response: (ptr, len) -> i32. It returns
	// the length of the answer, a Fetched as JSON, which ResultOf copies, or an error. A request that is not granted ends the attempt.
	HTTPFetch = "http_fetch"
	// ResultOf copies the result of the last import that has one, from an offset on: (off, buf, len) -> i32. It copies up to len
	// bytes and returns the length of the whole result, or None before the first one.
	ResultOf = "result"
)

// Bounds of the fetches of one attempt.
const (
	MaxFetches      = 16        // calls of http_fetch
	MaxFetchedBody  = 256 << 10 // bytes of the body of one response; a longer one is cut
	MaxFetchedBytes = 4 << 20   // bytes of all answers; no fetch begins beyond it
)

// Bounds of the events that one attempt emits, by the import and in its result together.
const (
	MaxEmissions    = 100     // events
	MaxEmittedBytes = 1 << 20 // of all names, types, keys and bodies
)

// Bounds of kv.
const (
	MaxKey    = 256       // bytes of a key, which is UTF-8 and not empty
	MaxValue  = 256 << 10 // bytes of a value
	MaxListed = 1000      // keys of one kv_list
)

// Results of imports that are not lengths.
const (
	NoMore      int32 = -1 // next: no more events; the guest should return
	None        int32 = -1 // event_read: no withheld text has this pointer; kv_get: the key is absent; result: no import had one
	ErrState    int32 = -2 // called in the wrong order: done without next, next without done, event_read, kv, emit or http_fetch without an event
	ErrPointer  int32 = -3 // the buffer is not inside the guest's memory
	ErrTooLarge int32 = -4 // more than the limit
	ErrQuota    int32 = -5 // kv: the plugin has used up its quota, or the attempt its number of reads or writes; emit and http_fetch: the attempt has emitted or fetched as much as it may
	ErrKey      int32 = -6 // kv: the key is empty, too long or not UTF-8
	ErrEntry    int32 = -7 // emit: the entry is not an Emission as JSON, or one of its members is not valid; http_fetch: the same of a Request
)

// Exit codes of a command that have a meaning (sysexits.h of BSD: EX_TEMPFAIL, EX_DATAERR).
const (
	ExitOK     = 0
	ExitRetry  = 75
	ExitReject = 65
)

// Outcomes that a plugin may return. An empty output means OutcomeOK.
const (
	OutcomeOK     = "ok"
	OutcomeSkip   = "skip"
	OutcomeRetry  = "retry"
	OutcomeReject = "reject"
)

// Document is the input of a plugin, on standard input or from next. Ids are strings; unknown values are null.
type Document struct {
	V        int               `json:"v"`
	Delivery Delivery          `json:"delivery"`
	Event    Event             `json:"event"`
	Config   map[string]string `json:"config"`

	StateVersion int             `json:"state_version"` // of the release that wrote State; 0 without one
	State        json.RawMessage `json:"state"`         // the document that an earlier event of the lane left; null without one. It is the last member
}

// Delivery says which attempt of which run this is.
type Delivery struct {
	ID      string `json:"id"`  // the plugin's name and the event's id: unique, and the same for every attempt and every replay of this event in this plugin
	Seq     int64  `json:"seq"` // position of the event in the log
	Run     int64  `json:"run"` // 0 for the first run
	Attempt int    `json:"attempt"`
	Replay  bool   `json:"replay"`
	Now     string `json:"now"` // start of the attempt, RFC 3339 UTC with milliseconds
}

// Event is the event as the plugin may see it.
type Event struct {
	ID                string            `json:"id"`
	Seq               int64             `json:"seq"`
	Source            string            `json:"source"`
	Mode              string            `json:"mode"`
	Origin            string            `json:"origin"`
	Event             string            `json:"event"`
	EventType         *string           `json:"event_type"`
	ReceivedAt        string            `json:"received_at"`
	Key               string            `json:"key"`
	CustomerReference *string           `json:"customer_reference"`
	Verdict           string            `json:"verdict"`
	Status            *string           `json:"status"`
	State             *string           `json:"state"`
	SubStatus         *string           `json:"sub_status"`
	Late              bool              `json:"late"`
	DuplicateHint     bool              `json:"duplicate_hint"`
	Headers           map[string]string `json:"headers"`
	Body              json.RawMessage   `json:"body,omitempty"`        // the granted part of the event's JSON, with its bytes unchanged, without a byte order mark
	BodyBase64        []byte            `json:"body_base64,omitempty"` // in place of Body when the body is not valid UTF-8 JSON, and the whole body is granted
	Withheld          []Withheld        `json:"withheld"`
}

// Withheld lists a long text that was removed from Body; null replaces it there. An empty pointer, without a Body, means a whole
// body that is not JSON.
type Withheld struct {
	Pointer string `json:"ptr"`
	Size    int    `json:"size"` // bytes of the text
}

// ManifestSection is the custom section in which a module may ask for grants, as TOML like NAME.toml.
const ManifestSection = "inbox.manifest"

// Result is the output of a plugin, on standard output or through done. An empty output means ok; a result without an outcome
// is invalid.
type Result struct {
	Outcome    string          `json:"outcome"`
	Reason     string          `json:"reason,omitempty"`
	RetryAfter string          `json:"retry_after,omitempty"` // a Go duration such as "30s", with OutcomeRetry
	State      json.RawMessage `json:"state,omitempty"`       // replaces the state document; null deletes it; absent keeps it. At most 1 MiB
	Emit       []Emission      `json:"emit,omitempty"`        // at most MaxEmissions
	HTTP       []Request       `json:"http,omitempty"`        // requests that are sent after the commit, with OutcomeOK and OutcomeSkip; at most MaxRequests
}

// Bounds of the requests of one result.
const (
	MaxRequests      = 32      // requests
	MaxRequestBodies = 1 << 20 // bytes of all their bodies
)

// Request is an HTTP request that the host sends after the commit of the result, at least once.
type Request struct {
	Method     string            `json:"method"` // GET, HEAD, POST, PUT, PATCH or DELETE
	URL        string            `json:"url"`    // absolute, of a granted origin
	Headers    map[string]string `json:"headers,omitempty"`
	Secrets    map[string]string `json:"secrets,omitempty"`     // header name to a template with {{secret.NAME}}
	Body       json.RawMessage   `json:"body,omitempty"`        // a string is sent as its text, any other value as JSON
	BodyBase64 []byte            `json:"body_base64,omitempty"` // in place of Body
	Raw        bool              `json:"raw,omitempty"`         // send the event's stored bytes, with their content type and signature header
	Sign       *Signing          `json:"sign,omitempty"`        // how the body is signed for its receiver
	Then       string            `json:"then,omitempty"`        // name of an event, granted by emit, that the final response becomes
}

// Fetched is the answer of HTTPFetch.
type Fetched struct {
	Status     *int              `json:"status"`                // null: no response came
	Headers    map[string]string `json:"headers"`               // the kept ones, names in lower case
	Body       json.RawMessage   `json:"body,omitempty"`        // the JSON of a body whose type is JSON, else the text
	BodyBase64 []byte            `json:"body_base64,omitempty"` // in place of Body when that is not UTF-8
	Truncated  bool              `json:"truncated"`             // the body has more than MaxFetchedBody bytes
	Error      string            `json:"error,omitempty"`       // without a response: why
}

// Signing is how a request is signed for its receiver. The signature is a header that the host adds when it sends.
type Signing struct {
	Scheme string `json:"scheme"` // SignStandard or SignQoreID
	Secret string `json:"secret"` // name of a secret that is granted for the origin of the request
}

// Schemes of signatures.
const (
	SignStandard = "standard" // Standard Webhooks 1.0.0 (https://www.standardwebhooks.com)
	SignQoreID   = "qoreid"   // x-verifyme-signature, the header of QoreID's webhooks: HMAC-SHA512 of the body in hex
)

// Emission is an event that a plugin emits. It reaches other plugins, and the emitter itself if that asks for it, like any event.
type Emission struct {
	Event     string          `json:"event"`                // with a dot, of letters, digits, dots, dashes and underscores; at most 128 bytes
	EventType string          `json:"event_type,omitempty"` // of the same characters
	Key       string          `json:"key,omitempty"`        // at most 256 bytes without control characters. Empty: the event has the key of its cause
	Body      json.RawMessage `json:"body,omitempty"`       // any JSON; absent means null
}
