package inbox

import (
	"encoding/binary"
	"hash"
	"hash/fnv"
)

// Effects are the changes that commit together with an outcome: all of them, or none. Only outcomes that settle have
// effects, see [Result.Settled]. The journal alone is kept with every outcome.
type Effects struct {
	Lane    LaneID       // of the attempt
	Subject LaneID       // mode and key of its event: what is stored is erased with them; zero: the store looks them up
	State   *StateChange // nil: the document stays as it is
	KV      []KVChange   // at most one per key
	KVLimit int64        // bytes that all keys and values may have after KV
	Emit    []Emission   // in this order; at most [MaxEmissions]
	Reads   Reads        // the settlement holds only while these are current

	Requests []Outgoing // to be sent after the commit, in this order; at most [MaxRequests]
	Journal  []Fetched  // what the attempt fetched, in this order; at most [MaxFetches]
}

// Empty reports whether a settlement without e would be the same.
func (e *Effects) Empty() bool {
	return e == nil || e.State == nil && len(e.KV) == 0 && len(e.Emit) == 0 && len(e.Requests) == 0 && len(e.Journal) == 0
}

// OnlyJournal returns the part of e that is kept with an outcome that does not settle; nil without a journal.
func (e *Effects) OnlyJournal() *Effects {
	if e == nil || len(e.Journal) == 0 {
		return nil
	}
	return &Effects{Lane: e.Lane, Subject: e.Subject, Journal: e.Journal}
}

// StateChange replaces the state document of the attempt's lane.
type StateChange struct {
	State // a nil Document deletes it
}

// Next returns the document after the change.
func (c *StateChange) Next() State {
	if c.Document == nil {
		return State{}
	}
	return c.State
}

// KVChange writes or deletes one key.
type KVChange struct {
	Key     string
	Value   []byte
	Deleted bool
}

// Reads are the keys and listings of kv that an attempt saw. The attempt's own writes are not part of them.
type Reads struct {
	Keys  []KVKey // version 0: the key was absent
	Lists []KVList
}

// Empty reports whether the attempt saw nothing of kv.
func (r *Reads) Empty() bool { return len(r.Keys) == 0 && len(r.Lists) == 0 }

// KVList is a listing that an attempt saw.
type KVList struct {
	Prefix, After string
	Limit         int
	Sum           uint64 // of the keys and versions, see [SumKeys]
}

// SumKeys returns a sum over keys and their versions. Two listings with equal sums are taken for equal: FNV-1a has 64 bits, and a
// plugin that makes its own listings collide only hurts itself.
func SumKeys(keys []KVKey) uint64 {
	h := fnv.New64a()
	for _, k := range keys {
		sumKey(h, k)
	}
	return h.Sum64()
}

func sumKey(h hash.Hash64, k KVKey) {
	var head [16]byte
	binary.LittleEndian.PutUint64(head[:8], uint64(len(k.Key)))
	binary.LittleEndian.PutUint64(head[8:], uint64(k.Version))
	h.Write(head[:])
	h.Write([]byte(k.Key))
}

// InForce answers what a plugin's kv holds at the moment of a settlement.
type InForce interface {
	// KVVersion returns the version of a key, 0 when it is absent.
	KVVersion(key string) (int64, error)
	// KVKeys returns the keys of a listing.
	KVKeys(l KVList) ([]KVKey, error)
	// KVAfter returns the number of keys, and the bytes of all keys and values, after some changes.
	KVAfter(changes []KVChange) (keys int, bytes int64, err error)
}

// Hold reports whether everything that the attempt saw is still in force, and whether its changes fit into the quota. It decides
// whether a settlement is committed or refused. No other place decides it. This is backward validation of optimistic
// concurrency control (Kung and Robinson, "On Optimistic Methods for Concurrency Control", ACM TODS 6(2), 1981): the settlements
// of a plugin are serial in the order of submission.
//
// A kv has more than its quota after an operator lowered the quota. Changes that do not add to it fit also then: a refusal would
// never end, because each new attempt makes the same changes.
func (e *Effects) Hold(now InForce) (bool, error) {
	for _, k := range e.Reads.Keys {
		if version, err := now.KVVersion(k.Key); err != nil || version != k.Version {
			return false, err
		}
	}
	for _, l := range e.Reads.Lists {
		if keys, err := now.KVKeys(l); err != nil || SumKeys(keys) != l.Sum {
			return false, err
		}
	}
	if len(e.KV) == 0 {
		return true, nil
	}
	keys, bytes, err := now.KVAfter(e.KV)
	if err != nil || keys <= MaxKVKeys && bytes <= e.KVLimit {
		return err == nil, err
	}
	keysBefore, bytesBefore, err := now.KVAfter(nil)
	return err == nil && keys <= max(keysBefore, MaxKVKeys) && bytes <= max(bytesBefore, e.KVLimit), err
}
