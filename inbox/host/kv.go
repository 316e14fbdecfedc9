package host

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tetratelabs/wazero/api"

	"inbox/inbox"
	"inbox/sdk/abi"
)

// Bounds of what one attempt may do with kv. They bound the memory of an attempt and the size of a commit.
const (
	maxKVReads  = 10_000  // keys, listings and listed keys: the settlement reads them again
	maxKVWrites = 1_000   // keys
	maxKVBytes  = 1 << 20 // of keys and values that it writes
)

// perKey is the price of one listed key, besides its bytes.
const perKey = 32

// kv is the kv of an attempt: what it has read and what it writes. It belongs to the guest's goroutine.
type kv struct {
	store   inbox.KV // nil: there is no event
	limit   int64    // quota, in bytes of all keys and values
	reads   map[string]kvRead
	lists   []inbox.KVList
	listed  int // keys that the listings returned
	writes  map[string]inbox.KVChange
	written int64 // bytes of writes
	err     error // the store could not be read: the attempt is void
}

type kvRead struct {
	value   []byte
	version int64
}

// newKV returns the kv of an attempt.
func newKV(store inbox.KV, limit int64) kv {
	return kv{store: store, limit: limit, reads: map[string]kvRead{}, writes: map[string]inbox.KVChange{}}
}

// addTo adds what the attempt did with kv to its effects.
func (k *kv) addTo(e *inbox.Effects) {
	e.KVLimit, e.Reads.Lists = k.limit, k.lists
	for key, read := range k.reads {
		e.Reads.Keys = append(e.Reads.Keys, inbox.KVKey{Key: key, Version: read.version})
	}
	for _, change := range k.writes {
		e.KV = append(e.KV, change)
	}
	slices.SortFunc(e.KV, func(a, b inbox.KVChange) int { return strings.Compare(a.Key, b.Key) })
}

// kvFunctions returns the functions of module inbox_v1 that read and write kv.
func kvFunctions() []hostFunction {
	return []hostFunction{
		define(abi.KVGet, 4, 1, sized(1), session(func(ctx context.Context, in *instance, mem api.Memory, p []uint64) int32 {
			return in.kvGet(ctx, mem, uint32(p[0]), uint32(p[1]), uint32(p[2]), uint32(p[3]))
		})),
		define(abi.KVSet, 4, 1, both(sized(1), sized(3)), session(func(ctx context.Context, in *instance, mem api.Memory, p []uint64) int32 {
			return in.kvSet(ctx, mem, uint32(p[0]), uint32(p[1]), uint32(p[2]), uint32(p[3]))
		})),
		define(abi.KVDelete, 2, 1, sized(1), session(func(ctx context.Context, in *instance, mem api.Memory, p []uint64) int32 {
			return in.kvDelete(ctx, mem, uint32(p[0]), uint32(p[1]))
		})),
		define(abi.KVList, 6, 1, both(sized(1), sized(3)), session(func(ctx context.Context, in *instance, mem api.Memory, p []uint64) int32 {
			return in.kvList(ctx, mem, params6(p))
		})),
	}
}

// listParams are the parameters of kv_list.
type listParams struct{ prefix, prefixSize, after, afterSize, buf, bufSize uint32 }

func params6(p []uint64) listParams {
	return listParams{uint32(p[0]), uint32(p[1]), uint32(p[2]), uint32(p[3]), uint32(p[4]), uint32(p[5])}
}

// kvKey reads a key from the guest's memory. The code is 0 for a valid key.
func (in *instance) kvKey(mem api.Memory, ptr, size uint32) (key string, code int32) {
	if in.kv.store == nil {
		return "", abi.ErrState
	}
	if size == 0 || size > inbox.MaxKVKey {
		return "", abi.ErrKey
	}
	view, ok := mem.Read(ptr, size)
	switch {
	case !ok:
		return "", abi.ErrPointer
	case !utf8.Valid(view):
		return "", abi.ErrKey
	}
	return string(view), 0
}

// kvGet copies a value into the guest's buffer.
func (in *instance) kvGet(ctx context.Context, mem api.Memory, ptr, size, buf, bufSize uint32) int32 {
	key, code := in.kvKey(mem, ptr, size)
	if code != 0 {
		return code
	}
	value, ok, code := in.kv.get(ctx, key)
	switch {
	case code != 0:
		return in.kvFailed(code)
	case !ok:
		return abi.None
	}
	return in.copyOut(mem, value, buf, bufSize)
}

// copyOut copies bytes into the guest's buffer as far as they fit, charges for them, and returns their full number.
func (in *instance) copyOut(mem api.Memory, value []byte, buf, bufSize uint32) int32 {
	part := value[:min(uint64(len(value)), uint64(bufSize))]
	in.spend(int64(len(part)))
	if len(part) > 0 && !mem.Write(buf, part) {
		return abi.ErrPointer
	}
	return int32(len(value))
}

// kvFailed returns a code to the guest. When the store could not be read, it ends the guest: the attempt is void.
func (in *instance) kvFailed(code int32) int32 {
	if in.kv.err != nil {
		in.cancel(errStore)
		unwind(errStore)
	}
	return code
}

// kvSet writes a key.
func (in *instance) kvSet(ctx context.Context, mem api.Memory, ptr, size, value, valueSize uint32) int32 {
	key, code := in.kvKey(mem, ptr, size)
	if code != 0 {
		return code
	}
	if valueSize > inbox.MaxKVValue {
		return abi.ErrTooLarge
	}
	view, ok := mem.Read(value, valueSize)
	if !ok {
		return abi.ErrPointer
	}
	return in.kvFailed(in.kv.write(ctx, inbox.KVChange{Key: key, Value: append([]byte{}, view...)}))
}

// kvDelete deletes a key.
func (in *instance) kvDelete(ctx context.Context, mem api.Memory, ptr, size uint32) int32 {
	key, code := in.kvKey(mem, ptr, size)
	if code != 0 {
		return code
	}
	return in.kvFailed(in.kv.write(ctx, inbox.KVChange{Key: key, Deleted: true}))
}

// kvList copies a listing into the guest's buffer.
func (in *instance) kvList(ctx context.Context, mem api.Memory, p listParams) int32 {
	if in.kv.store == nil {
		return abi.ErrState
	}
	if p.prefixSize > inbox.MaxKVKey || p.afterSize > inbox.MaxKVKey {
		return abi.ErrKey
	}
	prefix, ok := mem.Read(p.prefix, p.prefixSize)
	after, ok2 := mem.Read(p.after, p.afterSize)
	switch {
	case !ok || !ok2:
		return abi.ErrPointer
	case !utf8.Valid(prefix) || !utf8.Valid(after):
		return abi.ErrKey
	}
	keys, code := in.kv.list(ctx, string(prefix), string(after))
	if code != 0 {
		return in.kvFailed(code)
	}
	in.spend(perKey * int64(len(keys)))
	text, err := json.Marshal(keys)
	if err != nil {
		return abi.ErrKey
	}
	return in.copyOut(mem, text, p.buf, p.bufSize)
}

// get returns what a key holds for this attempt.
func (k *kv) get(ctx context.Context, key string) (value []byte, ok bool, code int32) {
	if w, written := k.writes[key]; written {
		return w.Value, !w.Deleted, 0
	}
	r, known := k.reads[key]
	if !known {
		if k.readSoFar() >= maxKVReads {
			return nil, false, abi.ErrQuota
		}
		if r.value, r.version, k.err = k.store.Get(ctx, key); k.err != nil {
			return nil, false, abi.ErrState
		}
		k.reads[key] = r
	}
	return r.value, r.version != 0, 0
}

// write notes a change, if the attempt and the plugin may still write as much.
func (k *kv) write(ctx context.Context, c inbox.KVChange) int32 {
	old, known := k.writes[c.Key]
	grown := k.written + size(c)
	if known {
		grown -= size(old)
	}
	if grown > maxKVBytes || !known && len(k.writes) >= maxKVWrites {
		return abi.ErrQuota
	}
	if !c.Deleted {
		if code := k.fits(ctx, c, grown); code != 0 {
			return code
		}
	}
	k.writes[c.Key], k.written = c, grown
	return 0
}

// fits checks the plugin's quota for a write. The settlement checks it again, see [inbox.Effects.Hold].
func (k *kv) fits(ctx context.Context, c inbox.KVChange, written int64) int32 {
	keys, bytes, err := k.store.Usage(ctx)
	if err != nil {
		k.err = err
		return abi.ErrState
	}
	if keys+len(k.writes) < inbox.MaxKVKeys && bytes+written <= k.limit { // even if no key is overwritten
		return 0
	}
	maxKeys, maxBytes := max(keys, inbox.MaxKVKeys), max(bytes, k.limit) // what does not add to the kv fits, as in Hold
	if _, overwrites := k.writes[c.Key]; !overwrites {
		n, b, err := k.growth(ctx, c)
		if err != nil {
			k.err = err
			return abi.ErrState
		}
		keys, bytes = keys+n, bytes+b
	}
	for key, w := range k.writes {
		if key == c.Key {
			w = c
		}
		n, b, err := k.growth(ctx, w)
		if err != nil {
			k.err = err
			return abi.ErrState
		}
		keys, bytes = keys+n, bytes+b
	}
	if keys > maxKeys || bytes > maxBytes {
		return abi.ErrQuota
	}
	return 0
}

// growth returns by how much a write changes the number of keys and the bytes of the kv. What it reads does not count as read by
// the attempt: the plugin does not see it.
func (k *kv) growth(ctx context.Context, c inbox.KVChange) (keys int, bytes int64, err error) {
	value, version, err := k.store.Get(ctx, c.Key)
	if err != nil {
		return 0, 0, err
	}
	if version != 0 {
		keys, bytes = -1, -int64(len(c.Key)+len(value))
	}
	if c.Deleted {
		return keys, bytes, nil
	}
	return keys + 1, bytes + size(c), nil
}

// list returns the first keys with a prefix that sort after a key, as this attempt sees them.
func (k *kv) list(ctx context.Context, prefix, after string) (keys []string, code int32) {
	if k.readSoFar() >= maxKVReads {
		return nil, abi.ErrQuota
	}
	l := inbox.KVList{Prefix: prefix, After: after, Limit: abi.MaxListed + len(k.writes)}
	stored, err := k.store.List(ctx, prefix, after, l.Limit)
	if err != nil {
		k.err = err
		return nil, abi.ErrState
	}
	l.Sum = inbox.SumKeys(stored)
	k.lists, k.listed = append(k.lists, l), k.listed+len(stored)
	keys = []string{}
	for _, key := range stored {
		if _, written := k.writes[key.Key]; !written {
			keys = append(keys, key.Key)
		}
	}
	for key, w := range k.writes {
		if !w.Deleted && strings.HasPrefix(key, prefix) && (after == "" || key > after) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys[:min(len(keys), abi.MaxListed)], 0
}

// readSoFar returns the number of keys, listings and listed keys that count towards maxKVReads.
func (k *kv) readSoFar() int { return len(k.reads) + len(k.lists) + k.listed }

// size returns the bytes of a change.
func size(c inbox.KVChange) int64 { return int64(len(c.Key) + len(c.Value)) }
