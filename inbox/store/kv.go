package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"inbox/inbox"
)

// pluginKV is the kv of one plugin and mode, see [inbox.KV]. It also answers what is in force when a settlement is submitted.
type pluginKV struct {
	s    *Store
	name kvName
}

// kvName names the kv of a plugin and mode.
type kvName struct {
	plugin string
	mode   inbox.Mode
}

// KV returns the kv of a plugin and mode.
func (s *Store) KV(plugin string, mode inbox.Mode) inbox.KV {
	return &pluginKV{s, kvName{plugin, mode}}
}

// Get returns the value of a key and its version.
func (k *pluginKV) Get(ctx context.Context, key string) ([]byte, int64, error) {
	e, err := k.entry(ctx, key)
	return e.value, e.version, err
}

// entry returns what a key holds: from memory, or else from the file. For a damaged value it returns the version and the size with an
// error that wraps [inbox.ErrDamaged].
func (k *pluginKV) entry(ctx context.Context, key string) (kvEntry, error) {
	e, changes, ok := k.s.submitted.entry(k.name, key)
	if ok {
		return e, nil
	}
	p, err := k.s.pluginID(ctx, k.name.plugin)
	if err != nil {
		return kvEntry{}, err
	}
	var c content
	if ctx.Err() != nil {
		return kvEntry{}, readError(ctx.Err())
	}
	row := k.s.readers.QueryRowContext(point(ctx), `SELECT kv.version, kv.size, `+contentColumns("c")+` FROM kv LEFT JOIN contents c ON c.id = kv.content_id
		WHERE kv.plugin = ? AND kv.mode = ? AND kv.key = ?`, p, k.name.mode, key)
	switch err := row.Scan(append([]any{&e.version, &e.size}, c.into()...)...); {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return kvEntry{}, readError(err)
	default:
		if e.value, err = c.open(encodingRaw); err != nil {
			return e, fmt.Errorf("read the key %q of plugin %s: %w", key, k.name.plugin, err)
		}
	}
	k.s.submitted.keep(k.name, key, e, changes)
	return e, nil
}

// List returns the keys with a prefix that sort after a key.
func (k *pluginKV) List(ctx context.Context, prefix, after string, limit int) ([]inbox.KVKey, error) {
	changed := k.s.submitted.changed(k.name) // read before the file: what becomes durable in between is in both
	p, err := k.s.pluginID(ctx, k.name.plugin)
	if err != nil {
		return nil, err
	}
	from := max(prefix, after)
	rows, err := k.s.readers.QueryContext(ctx, `SELECT key, version FROM kv WHERE plugin = ? AND mode = ? AND key >= ? ORDER BY key LIMIT ?`,
		p, k.name.mode, from, limit+len(changed)+1)
	if err != nil {
		return nil, readError(err)
	}
	defer rows.Close()
	var keys []inbox.KVKey
	for rows.Next() {
		var key inbox.KVKey
		if err := rows.Scan(&key.Key, &key.Version); err != nil {
			return nil, readError(err)
		}
		if _, ok := changed[key.Key]; !ok {
			keys = append(keys, key)
		}
	}
	for key, e := range changed {
		if e.version != 0 {
			keys = append(keys, inbox.KVKey{Key: key, Version: e.version})
		}
	}
	slices.SortFunc(keys, func(a, b inbox.KVKey) int { return strings.Compare(a.Key, b.Key) })
	keys = slices.DeleteFunc(keys, func(key inbox.KVKey) bool {
		return !strings.HasPrefix(key.Key, prefix) || after != "" && key.Key <= after
	})
	return keys[:min(len(keys), limit)], readError(rows.Err())
}

// Usage returns the number of keys, and the bytes of all keys and values.
func (k *pluginKV) Usage(ctx context.Context) (keys int, bytes int64, err error) {
	u, changes, ok := k.s.submitted.usage(k.name)
	if ok {
		return u.keys, u.bytes, nil
	}
	p, err := k.s.pluginID(ctx, k.name.plugin)
	if err != nil {
		return 0, 0, err
	}
	row := k.s.readers.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(size), 0) FROM kv WHERE plugin = ? AND mode = ?`, p, k.name.mode)
	if err := row.Scan(&u.keys, &u.bytes); err != nil {
		return 0, 0, readError(err)
	}
	k.s.submitted.keepUsage(k.name, u, changes)
	return u.keys, u.bytes, nil
}

// settleKV stores the changes of kv.
func (t *tx) settleKV(p int64, st *inbox.Settlement, version int64) error {
	for i := range st.Effects.KV {
		if err := t.settleKey(p, st, &st.Effects.KV[i], version); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) settleKey(p int64, st *inbox.Settlement, change *inbox.KVChange, version int64) error {
	mode := st.Effects.Lane.Mode
	if _, err := t.exec(`DELETE FROM contents WHERE id = (SELECT content_id FROM kv WHERE plugin = ? AND mode = ? AND key = ?)`, p, mode, change.Key); err != nil {
		return err
	}
	if change.Deleted {
		_, err := t.exec(`DELETE FROM kv WHERE plugin = ? AND mode = ? AND key = ?`, p, mode, change.Key)
		return err
	}
	return t.putKey(p, mode, &inbox.KVPair{Key: change.Key, Value: change.Value, Subject: st.Effects.Subject, Seq: st.Attempt.Seq}, version)
}

// putKey stores a pair. The value before it is deleted already.
func (t *tx) putKey(p int64, mode inbox.Mode, pair *inbox.KVPair, version int64) error {
	id, err := t.contentID()
	if err != nil {
		return err
	}
	if err := t.putAt(id, contentKV, encodingRaw, pair.Seq, pair.Subject, pair.Value); err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO kv (plugin, mode, key, version, size, content_id, seq, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (plugin, mode, key) DO UPDATE SET version = excluded.version, size = excluded.size, content_id = excluded.content_id,
		seq = excluded.seq, at = excluded.at`,
		p, mode, pair.Key, version, len(pair.Key)+len(pair.Value), id, pair.Seq, t.now)
	return err
}
