//go:build !wasip1

package sdk

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"inbox/sdk/abi"
)

// nativeKV takes the place of the host's kv in a plugin that is built natively, such as a test. It lasts as long as the process.
var nativeKV = struct {
	mu    sync.Mutex
	pairs map[string][]byte
}{pairs: map[string][]byte{}}

func badKey(key string) bool { return key == "" || len(key) > abi.MaxKey || !utf8.ValidString(key) }

func kvGet(key string) ([]byte, int32) {
	if badKey(key) {
		return nil, abi.ErrKey
	}
	nativeKV.mu.Lock()
	defer nativeKV.mu.Unlock()
	value, ok := nativeKV.pairs[key]
	if !ok {
		return nil, abi.None
	}
	return slices.Clone(value), int32(len(value))
}

func kvSet(key string, value []byte) int32 {
	switch {
	case badKey(key):
		return abi.ErrKey
	case len(value) > abi.MaxValue:
		return abi.ErrTooLarge
	}
	nativeKV.mu.Lock()
	defer nativeKV.mu.Unlock()
	nativeKV.pairs[key] = slices.Clone(value)
	return 0
}

func kvDelete(key string) int32 {
	if badKey(key) {
		return abi.ErrKey
	}
	nativeKV.mu.Lock()
	defer nativeKV.mu.Unlock()
	delete(nativeKV.pairs, key)
	return 0
}

func kvList(prefix, after string) ([]byte, int32) {
	nativeKV.mu.Lock()
	defer nativeKV.mu.Unlock()
	keys := []string{}
	for key := range nativeKV.pairs {
		if strings.HasPrefix(key, prefix) && (after == "" || key > after) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	text, err := json.Marshal(keys[:min(len(keys), abi.MaxListed)])
	if err != nil {
		return nil, abi.ErrKey
	}
	return text, int32(len(text))
}
