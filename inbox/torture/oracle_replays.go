package torture

import "context"

// replays checks law 4 for replays that have ended: for every plugin, each event of the set ran, or was skipped and counted,
// exactly once. A replay selects the events of all sources up to its last, without those that were stored before torture.
func (l *checker) replays(ctx context.Context) error {
	return l.each(ctx, `SELECT j.id, p.name, (SELECT count(*) FROM events WHERE seq > ? AND seq <= j.upto AND origin <> 'emit'), x.ok + x.dead + x.pending + x.retried + x.filtered + x.waiting,
			(SELECT count(DISTINCT a.seq) FROM attempts a WHERE a.plugin = x.plugin AND a.run = j.id),
			(SELECT count(*) FROM attempts a WHERE a.plugin = x.plugin AND a.run = j.id AND a.seq > j.upto),
			x.ok + x.dead
		FROM replays j JOIN replay_parts x ON x.replay = j.id JOIN plugins p ON p.id = x.plugin WHERE j.state = 'done'`, []any{l.base}, func(scan func(...any) error) error {
		var job, set, counted, ran, beyond, ended int64
		var plugin string
		if err := scan(&job, &plugin, &set, &counted, &ran, &beyond, &ended); err != nil {
			return err
		}
		if counted != set {
			l.r.broke("law 4: replay %d of %d events counts %d in plugin %s", job, set, counted, plugin)
		}
		if ran < ended || beyond > 0 {
			l.r.broke("law 4: replay %d counts %d events that ran through plugin %s; %d ran, %d of them outside its set", job, ended, plugin, ran, beyond)
		}
		return nil
	})
}
