package rebuild

import (
	"context"
	"math/bits"
	"slices"
	"strings"

	"inbox/inbox"
)

// seqs is a set of seqs, one bit each.
type seqs struct{ bits []uint64 }

func (s *seqs) has(seq int64) bool {
	at := seq / 64
	return at < int64(len(s.bits)) && s.bits[at]&(1<<(seq%64)) != 0
}

func (s *seqs) add(seq int64) {
	if at := int(seq / 64); at >= len(s.bits) {
		s.bits = append(s.bits, make([]uint64, at+1-len(s.bits))...)
	}
	s.bits[seq/64] |= 1 << (seq % 64)
}

// count returns the number of seqs.
func (s *seqs) count() (n int64) {
	for _, b := range s.bits {
		n += int64(bits.OnesCount64(b))
	}
	return n
}

// merge adds all seqs of another set.
func (s *seqs) merge(other *seqs) {
	if len(other.bits) > len(s.bits) {
		s.bits = append(s.bits, make([]uint64, len(other.bits)-len(s.bits))...)
	}
	for i, bits := range other.bits {
		s.bits[i] |= bits
	}
}

// kvs are the folded kv of each mode.
type kvs map[inbox.Mode]*kv

func (k kvs) of(mode inbox.Mode) *kv {
	if k[mode] == nil {
		k[mode] = &kv{pairs: map[string]*pair{}}
	}
	return k[mode]
}

// pairs returns all pairs, in the order of their keys.
func (k kvs) pairs() map[inbox.Mode][]inbox.KVPair {
	all := map[inbox.Mode][]inbox.KVPair{}
	for mode, of := range k {
		for _, key := range of.keys {
			all[mode] = append(all[mode], of.pairs[key].KVPair)
		}
	}
	return all
}

// kv implements inbox.KV over folded pairs.
type kv struct {
	keys    []string // sorted
	pairs   map[string]*pair
	bytes   int64
	changes int64
}

type pair struct {
	inbox.KVPair
	version int64
}

// Get returns the value of a key and its version.
func (k *kv) Get(_ context.Context, key string) ([]byte, int64, error) {
	if p := k.pairs[key]; p != nil {
		return p.Value, p.version, nil
	}
	return nil, 0, nil
}

// List returns the keys with a prefix that sort after a key.
func (k *kv) List(_ context.Context, prefix, after string, limit int) (list []inbox.KVKey, _ error) {
	at, found := slices.BinarySearch(k.keys, max(prefix, after))
	if found && after >= prefix && after != "" {
		at++
	}
	for ; at < len(k.keys) && len(list) < limit && strings.HasPrefix(k.keys[at], prefix); at++ {
		list = append(list, inbox.KVKey{Key: k.keys[at], Version: k.pairs[k.keys[at]].version})
	}
	return list, nil
}

// Usage returns the number of keys, and the bytes of all keys and values.
func (k *kv) Usage(context.Context) (keys int, bytes int64, err error) {
	return len(k.keys), k.bytes, nil
}

// apply makes the changes of an attempt, and returns the number of keys and bytes after them.
func (k *kv) apply(e *inbox.Settled, changes []inbox.KVChange) (keys int, bytes int64) {
	k.changes++
	for _, c := range changes {
		at, found := slices.BinarySearch(k.keys, c.Key)
		if found {
			k.bytes -= int64(len(c.Key) + len(k.pairs[c.Key].Value))
		}
		switch {
		case c.Deleted && found:
			k.keys = slices.Delete(k.keys, at, at+1)
			delete(k.pairs, c.Key)
		case !c.Deleted:
			if !found {
				k.keys = slices.Insert(k.keys, at, c.Key)
			}
			k.pairs[c.Key] = &pair{
				KVPair:  inbox.KVPair{Key: c.Key, Value: c.Value, Subject: inbox.LaneID{Mode: e.Mode, Key: e.View.Key}, Seq: e.Seq},
				version: k.changes,
			}
			k.bytes += int64(len(c.Key) + len(c.Value))
		}
	}
	return len(k.keys), k.bytes
}
