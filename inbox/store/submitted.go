package store

import (
	"maps"
	"sync"

	"inbox/inbox"
)

// submitted holds what settlements write from their submission until they are durable, so that the next attempt reads it.
// It also caches durable documents and keys. It is safe for concurrent use. Only the loop of a plugin submits settlements of that
// plugin, so the order of submission is the order of commit.
type submitted struct {
	mu     sync.Mutex
	last   int64 // version given last
	kv     map[kvName]*kvMemory
	states map[stateName]stateEntry
	cached int64 // bytes of the durable entries of states
}

// maxStateCache is the size in bytes of the durable state documents that are cached, of all plugins.
const maxStateCache = 16 << 20

// maxKVCache is the size in bytes of the durable keys and values that are cached per plugin and mode.
const maxKVCache = 4 << 20

// kvEntry is what one key holds. An absent key has version 0.
type kvEntry struct {
	value   []byte
	version int64
	size    int64 // bytes of key and value
	pending int64 // version of the submission that is not durable yet; 0: durable
}

// kvUsage is the size of a kv.
type kvUsage struct {
	keys  int
	bytes int64
}

// kvMemory is what is in memory of one kv.
type kvMemory struct {
	entries map[string]kvEntry
	pending int   // entries that are not durable
	cached  int64 // bytes of the others
	changes int64 // submissions so far
	usage   kvUsage
	counted bool // usage is known
}

// stateName names a state document.
type stateName struct {
	plugin string
	lane   inbox.LaneID
}

type stateEntry struct {
	inbox.State
	pending int64 // version of the submission
}

// newSubmitted returns an empty memory for a server's term. Versions of different terms differ, so that a version in the file
// never equals one that is given later.
func newSubmitted(term inbox.Term) *submitted {
	return &submitted{last: int64(term) << 40, kv: map[kvName]*kvMemory{}, states: map[stateName]stateEntry{}}
}

// memory returns what is in memory of a kv. The caller holds mu.
func (m *submitted) memory(name kvName) *kvMemory {
	k := m.kv[name]
	if k == nil {
		k = &kvMemory{entries: map[string]kvEntry{}}
		m.kv[name] = k
	}
	return k
}

// state returns a document that is in memory.
func (m *submitted) state(plugin string, lane inbox.LaneID) (inbox.State, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.states[stateName{plugin, lane}]
	return e.State, ok
}

// keepState caches a document, or its absence, as it was read of the file. No settlement of its lane may be submitted meanwhile.
func (m *submitted) keepState(plugin string, lane inbox.LaneID, doc inbox.State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.putState(stateName{plugin, lane}, stateEntry{State: doc})
}

// dropState forgets the document of a lane after it was replaced in the file. A settlement of the lane that is still pending was committed
// before that: its end must not bring its document back.
func (m *submitted) dropState(plugin string, lane inbox.LaneID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := stateName{plugin, lane}
	if e, ok := m.states[name]; ok && e.pending == 0 {
		m.cached -= e.cost(name)
	}
	delete(m.states, name)
}

// putState sets the entry of a lane. Durable entries are dropped when the cache is full. The caller holds mu.
func (m *submitted) putState(name stateName, e stateEntry) {
	if old, ok := m.states[name]; ok && old.pending == 0 {
		m.cached -= old.cost(name)
	}
	m.states[name] = e
	if e.pending != 0 {
		return
	}
	m.cached += e.cost(name)
	for other, old := range m.states {
		if m.cached <= maxStateCache {
			return
		}
		if old.pending == 0 {
			m.cached -= old.cost(other)
			delete(m.states, other)
		}
	}
}

// cost returns the bytes of memory of an entry, about.
func (e *stateEntry) cost(name stateName) int64 {
	return int64(len(name.lane.Key)+len(e.Document)) + 160
}

// entry returns what a key holds, if it is in memory, and the number of submissions so far.
func (m *submitted) entry(name kvName, key string) (e kvEntry, changes int64, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.memory(name)
	e, ok = k.entries[key]
	return e, k.changes, ok
}

// keep caches what was read of the file, unless a settlement was submitted since changes were counted.
func (m *submitted) keep(name kvName, key string, e kvEntry, changes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.memory(name); k.changes == changes {
		k.put(key, e)
	}
}

// usage returns the size of a kv, if it is known, and the number of submissions so far.
func (m *submitted) usage(name kvName) (u kvUsage, changes int64, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.memory(name)
	return k.usage, k.changes, k.counted
}

// keepUsage notes the size of a kv as counted in the file, unless settlements are pending or were submitted since changes were
// counted.
func (m *submitted) keepUsage(name kvName, u kvUsage, changes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.memory(name); k.changes == changes && k.pending == 0 {
		k.usage, k.counted = u, true
	}
}

// changed returns the entries that are not durable.
func (m *submitted) changed(name kvName) map[string]kvEntry {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := map[string]kvEntry{}
	k := m.memory(name)
	if k.pending == 0 {
		return list
	}
	maps.Copy(list, k.entries)
	maps.DeleteFunc(list, func(_ string, e kvEntry) bool { return e.pending == 0 })
	return list
}

// add takes over the changes of a settlement and returns their version. before has what the changed keys hold until now.
func (m *submitted) add(plugin string, e *inbox.Effects, before []kvEntry) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	if e.State != nil {
		m.putState(stateName{plugin, e.Lane}, stateEntry{e.State.Next(), m.last})
	}
	if len(e.KV) == 0 {
		return m.last
	}
	k := m.memory(kvName{plugin, e.Lane.Mode})
	k.changes++
	for i, c := range e.KV {
		next := changedEntry(&c, m.last)
		k.usage.replace(before[i], next)
		k.put(c.Key, next)
	}
	return m.last
}

// next returns a new version, for changes of kv that are no settlement.
func (m *submitted) next() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	return m.last
}

// changedEntry returns what a key holds after a change.
func changedEntry(c *inbox.KVChange, version int64) kvEntry {
	if c.Deleted {
		return kvEntry{pending: version}
	}
	return kvEntry{value: c.Value, version: version, size: int64(len(c.Key) + len(c.Value)), pending: version}
}

// ended forgets the changes of a settlement that has ended: they are durable, or they were not made.
func (m *submitted) ended(plugin string, e *inbox.Effects, version int64, durable bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if name := (stateName{plugin, e.Lane}); m.states[name].pending == version {
		entry := m.states[name]
		delete(m.states, name)
		if entry.pending = 0; durable {
			m.putState(name, entry)
		}
	}
	if len(e.KV) == 0 {
		return
	}
	k := m.memory(kvName{plugin, e.Lane.Mode})
	if !durable {
		k.counted = false
		k.changes++
	}
	for _, c := range e.KV {
		entry := k.entries[c.Key]
		if entry.pending != version {
			continue
		}
		k.drop(c.Key)
		if entry.pending = 0; durable {
			k.put(c.Key, entry)
		}
	}
}

// forget drops what is in memory of a plugin that was removed.
func (m *submitted) forget(plugin string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.kv, func(name kvName, _ *kvMemory) bool { return name.plugin == plugin })
	for name, e := range m.states {
		if name.plugin != plugin {
			continue
		}
		if delete(m.states, name); e.pending == 0 {
			m.cached -= e.cost(name)
		}
	}
}

// put sets an entry. A durable one is dropped again when the cache is full.
func (k *kvMemory) put(key string, e kvEntry) {
	k.drop(key)
	if e.pending != 0 {
		k.pending++
		k.entries[key] = e
		return
	}
	for other, old := range k.entries {
		if k.cached+cost(key, e) <= maxKVCache {
			break
		}
		if old.pending == 0 {
			k.drop(other)
		}
	}
	if k.cached+cost(key, e) <= maxKVCache {
		k.cached += cost(key, e)
		k.entries[key] = e
	}
}

// drop removes an entry.
func (k *kvMemory) drop(key string) {
	e, ok := k.entries[key]
	switch {
	case !ok:
		return
	case e.pending != 0:
		k.pending--
	default:
		k.cached -= cost(key, e)
	}
	delete(k.entries, key)
}

// cost returns the bytes of memory of an entry, about.
func cost(key string, e kvEntry) int64 { return int64(len(key)+len(e.value)) + 128 }

// replace counts that a key holds next in place of before.
func (u *kvUsage) replace(before, next kvEntry) {
	u.bytes += next.size - before.size
	if before.version != 0 {
		u.keys--
	}
	if next.version != 0 {
		u.keys++
	}
}
