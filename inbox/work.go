package inbox

import (
	"context"
	"time"
)

// Work is the input of one attempt.
type Work struct {
	Event    *Event
	Payload  Payload // must not change during the attempt
	Delivery Delivery
	State    State     // the document of the delivery's lane, as the settlements before this attempt left it
	KV       KV        // the plugin's kv of the event's mode; nil: the release was not granted kv
	Journal  *Journal  // answers the attempt's fetches; nil: they are sent
	Now      time.Time // start of the attempt
}

// State is the state document that a plugin keeps for one lane. The zero value means that the lane has no document.
type State struct {
	Document []byte // JSON, at most [MaxState] bytes; nil: no document
	Version  int    // state_version of the release that wrote it
}

// MaxState is the size of the largest state document in bytes.
const MaxState = 1 << 20

// KV reads the key-value pairs of one plugin and mode, as an attempt sees them before its own writes: committed pairs, and the writes of
// settlements that are submitted and not durable yet. It is safe for concurrent use.
type KV interface {
	// Get returns the value of a key and its version. An absent key has no value and version 0.
	Get(ctx context.Context, key string) (value []byte, version int64, err error)
	// List returns the keys with a prefix that sort after a key, in bytewise order, up to limit of them.
	List(ctx context.Context, prefix, after string, limit int) ([]KVKey, error)
	// Usage returns the number of keys, and the bytes of all keys and values.
	Usage(ctx context.Context) (keys int, bytes int64, err error)
}

// KVKey is a key with the version of its value.
type KVKey struct {
	Key     string
	Version int64
}

// Bounds of kv, per plugin and mode. A release may be granted another total by [limits] kv.
const (
	MaxKVKey   = 256       // bytes of a key; a key is valid UTF-8 and not empty
	MaxKVValue = 256 << 10 // bytes of a value
	MaxKVKeys  = 100_000   // keys
	DefaultKV  = 16 << 20  // bytes of all keys and values
)
