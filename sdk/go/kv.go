package sdk

import (
	"encoding/json"
	"errors"
	"fmt"

	"inbox/sdk/abi"
)

// Errors of kv.
var (
	// ErrKey says that a key is empty, longer than 256 bytes or not UTF-8.
	ErrKey = errors.New("the key is empty, longer than 256 bytes or not UTF-8")
	// ErrQuota says that the plugin has used up limits.kv, or the attempt its number of reads or writes, or of events that it emits.
	ErrQuota = errors.New("the quota is used up")
	// ErrTooLarge says that a value has more than 256 KiB.
	ErrTooLarge = errors.New("the value has more than 256 KiB")
)

// KVGet returns the value of a key. The pairs belong to the plugin and the event's mode. Every lane sees the writes of the lanes
// before it: when two events change a key at the same time, one of them is handled again. ok is false for an absent key.
func KVGet(key string) (value []byte, ok bool, err error) {
	value, code := kvGet(key)
	if code == abi.None {
		return nil, false, nil
	}
	if err := kvError("get", key, code); err != nil {
		return nil, false, err
	}
	return value, true, nil
}

// KVSet sets a key. The write commits with the answer, if that is [Done] or [Skip].
func KVSet(key string, value []byte) error { return kvError("set", key, kvSet(key, value)) }

// KVDelete deletes a key. An absent key is no error.
func KVDelete(key string) error { return kvError("delete", key, kvDelete(key)) }

// KVList returns the keys with a prefix that sort after a key, in bytewise order, at most 1,000. Pass the last key of one call as
// after of the next.
func KVList(prefix, after string) ([]string, error) {
	text, code := kvList(prefix, after)
	if err := kvError("list", prefix, code); err != nil {
		return nil, err
	}
	var keys []string
	if err := json.Unmarshal(text, &keys); err != nil {
		return nil, fmt.Errorf("kv list %q: %w", prefix, err)
	}
	return keys, nil
}

// kvError returns the error of a code, nil for lengths.
func kvError(call, key string, code int32) error {
	var err error
	switch {
	case code >= 0:
		return nil
	case code == abi.ErrKey:
		err = ErrKey
	case code == abi.ErrQuota:
		err = ErrQuota
	case code == abi.ErrTooLarge:
		err = ErrTooLarge
	default:
		err = fmt.Errorf("the host answered %d", code)
	}
	return fmt.Errorf("kv %s %q: %w", call, key, err)
}
