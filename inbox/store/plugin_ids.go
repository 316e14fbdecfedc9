package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"inbox/inbox"
)

// nameCache caches the numbers of plugins. The number of a plugin does not change until the plugin is removed.
type nameCache struct {
	mu    sync.RWMutex
	ids   map[string]int64
	drops int // number of removals; a number that was read before the last removal is not cached
}

func (c *nameCache) get(name string) (int64, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	id, ok := c.ids[name]
	return id, ok
}

func (c *nameCache) put(name string, id int64, drops int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if drops != c.drops {
		return
	}
	if c.ids == nil {
		c.ids = map[string]int64{}
	}
	c.ids[name] = id
}

func (c *nameCache) dropped() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.drops
}

func (c *nameCache) drop(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ids, name)
	c.drops++
}

// plugin returns the number of a plugin inside a transaction.
func (t *tx) plugin(name string) (int64, error) {
	if id, ok := t.w.s.ids.get(name); ok {
		return id, nil
	}
	var id int64
	err := t.get(`SELECT id FROM plugins WHERE name = ?`, name).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, noPlugin(name)
	}
	return id, err // not cached: this transaction may have created it
}

// pluginID returns the number of a plugin, or NotFound.
func (s *Store) pluginID(ctx context.Context, name string) (int64, error) {
	if id, ok := s.ids.get(name); ok {
		return id, nil
	}
	var id int64
	drops := s.ids.dropped()
	err := s.readers.QueryRowContext(ctx, `SELECT id FROM plugins WHERE name = ?`, name).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, noPlugin(name)
	}
	if err != nil {
		return 0, readError(err)
	}
	s.ids.put(name, id, drops)
	return id, nil
}

func noPlugin(name string) error {
	return inbox.Errorf(inbox.NotFound, "", "no plugin %q in this store", name).WithHint("`inbox plugin list` shows the plugins of this store")
}
