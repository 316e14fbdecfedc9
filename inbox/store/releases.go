package store

import (
	"context"

	"inbox/inbox"
)

// releaseColumns are the columns of releases that make an inbox.Release, in the order of scanRelease and releaseRow.
const releaseColumns = `id, wasm, size, manifest, created_at, actor, asks, module`

// scanRelease reads releaseColumns.
func scanRelease(row scanner, r *inbox.Release) error {
	return row.Scan(&r.ID, &r.Wasm, &r.Size, &r.Manifest, moment{&r.CreatedAt}, &r.Actor, &r.Asks, &r.Module)
}

// releaseRow returns the values of plugin and releaseColumns.
func releaseRow(p int64, r *inbox.Release) []any {
	blob := func(b []byte) []byte { return append([]byte{}, b...) } // nil would be NULL
	return []any{p, r.ID, r.Wasm, r.Size, blob(r.Manifest), millis(r.CreatedAt), r.Actor, blob(r.Asks), blob(r.Module)}
}

// SaveRelease stores a release. For a stored release it only replaces the description of the module, if r has one.
func (s *Store) SaveRelease(ctx context.Context, r inbox.Release) error {
	return s.write(ctx, func(t *tx) error {
		p, err := t.plugin(r.Plugin)
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO releases (plugin, `+releaseColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (plugin, id) DO UPDATE SET module = excluded.module WHERE length(excluded.module) > 0`, releaseRow(p, &r)...)
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
	err = s.each(ctx, `SELECT `+releaseColumns+` FROM releases WHERE plugin = ? ORDER BY num DESC`, []any{p}, func(row scanner) error {
		r := inbox.Release{Plugin: plugin}
		if err := scanRelease(row, &r); err != nil {
			return err
		}
		list = append(list, r)
		return nil
	})
	return list, err
}
