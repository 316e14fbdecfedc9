package store

import (
	"context"

	"inbox/inbox"
)

// SaveRelease records a release, once. What was found out about its module is replaced.
func (s *Store) SaveRelease(ctx context.Context, r inbox.Release) error {
	return s.write(ctx, func(t *tx) error {
		p, err := t.plugin(r.Plugin)
		if err != nil {
			return err
		}
		blob := func(b []byte) []byte { return append([]byte{}, b...) } // nil would be NULL
		_, err = t.exec(`INSERT INTO releases (plugin, id, wasm, size, manifest, created_at, actor, asks, module) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (plugin, id) DO UPDATE SET module = excluded.module WHERE length(excluded.module) > 0`,
			p, r.ID, r.Wasm, r.Size, blob(r.Manifest), millis(r.CreatedAt), r.Actor, blob(r.Asks), blob(r.Module))
		return err
	})
}

// Releases returns a plugin's releases, the newest first.
func (s *Store) Releases(ctx context.Context, plugin string) ([]inbox.Release, error) {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return nil, err
	}
	var list []inbox.Release
	err = s.each(ctx, `SELECT id, wasm, size, manifest, created_at, actor, asks, module FROM releases WHERE plugin = ? ORDER BY num DESC`, []any{p}, func(row scanner) error {
		r := inbox.Release{Plugin: plugin}
		var created int64
		if err := row.Scan(&r.ID, &r.Wasm, &r.Size, &r.Manifest, &created, &r.Actor, &r.Asks, &r.Module); err != nil {
			return err
		}
		r.CreatedAt = fromMillis(created)
		list = append(list, r)
		return nil
	})
	return list, err
}
