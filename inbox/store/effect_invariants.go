package store

func effectInvariants() []invariant {
	return []invariant{
		{"an effect was asked for by an attempt that settled", `SELECT 'effect ' || f.id FROM effects f WHERE NOT EXISTS (
			SELECT 1 FROM attempts a WHERE a.plugin = f.plugin AND a.seq = f.seq AND a.run = f.run AND a.attempt = f.attempt AND a.fate = 'done')`},
		{"every effect has its request", `SELECT 'effect ' || id FROM effects f WHERE NOT EXISTS (
			SELECT 1 FROM contents c WHERE c.id = f.content_id AND c.kind = 8 AND c.root_seq = f.seq)`},
		{"no two effects have one key", `SELECT 'effect ' || max(id) FROM effects GROUP BY idempotency HAVING count(*) > 1`},
		{"a lane of effects sends one at a time", `SELECT 'effect ' || max(id) FROM effects WHERE due_at IS NOT NULL GROUP BY plugin, mode, key, origin HAVING count(*) > 1`},
		{"a lane of effects goes on", `SELECT 'effect ' || min(id) FROM effects WHERE open = 1 GROUP BY plugin, mode, key, origin
			HAVING sum(due_at IS NOT NULL) = 0 AND sum(state = 'dead') = 0`},
		{"a parked lane of effects sends nothing behind its dead one", `SELECT 'effect ' || f.id FROM effects f WHERE f.due_at IS NOT NULL AND EXISTS (
			SELECT 1 FROM effects d WHERE d.open = 1 AND d.state = 'dead' AND d.plugin = f.plugin AND d.mode = f.mode AND d.key = f.key
				AND d.origin = f.origin AND d.id < f.id)`},
		{"an effect counts its tries", `SELECT 'effect ' || f.id FROM effects f WHERE f.tries <> (SELECT coalesce(max(try), 0) FROM effect_tries t WHERE t.effect = f.id)`},
		{"the newest try of an effect explains its state", `SELECT 'effect ' || f.id FROM effects f LEFT JOIN effect_tries t ON t.effect = f.id AND t.try = f.tries
			WHERE CASE f.state WHEN 'waiting' THEN f.tries <> 0 WHEN 'done' THEN t.fate IS NOT 'done' WHEN 'dead' THEN t.fate IS NOT 'dead'
				WHEN 'discarded' THEN t.fate IS NOT 'dead' WHEN 'retry' THEN coalesce(t.fate, 'done') = 'done' ELSE 0 END`},
		{"an effect that ended became the event that it names by then", `SELECT 'effect ' || f.id FROM effects f WHERE f.then_event <> ''
			AND f.state IN ('done', 'dead', 'discarded') AND NOT EXISTS (
				SELECT 1 FROM emitted m JOIN events e ON e.seq = m.seq WHERE m.effect = f.id AND m.idx = f.tries AND m.cause = f.seq AND e.event = f.then_event)`},
		{"tries refer to stored effects", `SELECT 'effect ' || effect FROM effect_tries WHERE effect NOT IN (SELECT id FROM effects)`},
		{"every answer is there", `SELECT 'effect ' || t.effect || ' try ' || t.try FROM effect_tries t WHERE t.content_id IS NOT NULL
			AND NOT EXISTS (SELECT 1 FROM contents c WHERE c.id = t.content_id AND c.kind = 9)`},
		{"an effect's origin is known", `SELECT 'effect ' || id FROM effects f WHERE NOT EXISTS (
			SELECT 1 FROM effect_origins o WHERE o.plugin = f.plugin AND o.origin = f.origin)`},
	}
}
