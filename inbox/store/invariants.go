package store

import (
	"fmt"
	"slices"

	"inbox/inbox"
)

// invariant is a condition that every store meets. Its query returns a text for every violation.
type invariant struct {
	name  string
	query string
}

// invariants returns the invariants that the CHECKs of the schema cannot express. Each is one statement, which reads one snapshot, so it
// may run while a server writes.
func invariants() []invariant {
	return slices.Concat(logInvariants(), contentInvariants(), refusedInvariants(), laneInvariants(), attemptInvariants(), deadInvariants(), stateInvariants(), linkInvariants(), emitInvariants(), effectInvariants(), fetchInvariants(), replayInvariants(), digestInvariants())
}

func logInvariants() []invariant {
	return []invariant{
		{"the log has no gap", `SELECT 'after seq ' || seq FROM (SELECT seq, lead(seq) OVER (ORDER BY seq) AS following FROM events) WHERE following <> seq + 1`},
		{"stored_at never decreases", `SELECT 'seq ' || seq FROM (SELECT seq, stored_at, lag(stored_at) OVER (ORDER BY seq) AS before FROM events) WHERE before > stored_at`},
		{"top_rank is the highest rank so far", `SELECT 'seq ' || seq FROM (SELECT seq, top_rank, max(rank) OVER (PARTITION BY mode, key ORDER BY seq) AS top FROM events) WHERE top <> top_rank`},
		{"late means that an earlier event has a higher rank", `SELECT 'seq ' || seq FROM events WHERE late <> (rank >= 0 AND rank < top_rank)`},
		{"copies refer to events", `SELECT 'seq ' || seq FROM copies WHERE seq NOT IN (SELECT seq FROM events)`},
		{"no digest is stored twice", `SELECT 'seq ' || max(seq) FROM events GROUP BY digest HAVING count(*) > 1`},
	}
}

func contentInvariants() []invariant {
	return []invariant{
		{"every event has its payload", `SELECT 'seq ' || seq FROM events WHERE content_id IS NOT NULL AND NOT EXISTS (
			SELECT 1 FROM contents WHERE id = content_id AND kind = 1 AND root_seq = seq)`},
		{"every refused request has its payload", `SELECT 'refused ' || id FROM refused WHERE NOT EXISTS (SELECT 1 FROM contents WHERE id = content_id AND kind = 2)`},
		{"every attempt has its reason and log", `SELECT p.name || ' seq ' || a.seq || ' run ' || a.run || ' attempt ' || a.attempt FROM attempts a JOIN plugins p ON p.id = a.plugin
			WHERE (a.reason_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM contents WHERE id = a.reason_id AND kind = 4 AND root_seq = a.seq))
				OR (a.log_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM contents WHERE id = a.log_id AND kind = 3 AND root_seq = a.seq))`},
		{"every content of an event has the event's subject", `SELECT 'content ' || c.id FROM contents c JOIN events e ON e.seq = c.root_seq WHERE c.subject IS NOT e.mode || '/' || e.key`},
		{"no content id exceeds the reserved ids", `SELECT 'content ' || id FROM (SELECT max(id) AS id FROM contents)
			WHERE id > coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'contents_reserved'), 0)`},
		{"every content has an owner", `SELECT 'content ' || c.id FROM contents c WHERE CASE c.kind
			WHEN 1 THEN NOT EXISTS (SELECT 1 FROM events WHERE seq = c.root_seq AND content_id = c.id)
			WHEN 2 THEN NOT EXISTS (SELECT 1 FROM refused WHERE content_id = c.id)
			WHEN 3 THEN NOT EXISTS (SELECT 1 FROM plugins p CROSS JOIN attempts a ON a.plugin = p.id AND a.seq = c.root_seq WHERE a.log_id = c.id)
			WHEN 5 THEN c.id NOT IN (SELECT content_id FROM states WHERE content_id IS NOT NULL)
			WHEN 6 THEN c.id NOT IN (SELECT content_id FROM kv)
			WHEN 8 THEN NOT EXISTS (SELECT 1 FROM plugins p CROSS JOIN effects f ON f.plugin = p.id AND f.seq = c.root_seq WHERE f.content_id = c.id)
			WHEN 9 THEN NOT EXISTS (SELECT 1 FROM plugins p CROSS JOIN effects f ON f.plugin = p.id AND f.seq = c.root_seq
				JOIN effect_tries t ON t.effect = f.id WHERE t.content_id = c.id)
			WHEN 10 THEN NOT EXISTS (SELECT 1 FROM plugins p CROSS JOIN fetches f ON f.plugin = p.id AND f.seq = c.root_seq WHERE f.content_id = c.id)
			ELSE NOT EXISTS (SELECT 1 FROM plugins p CROSS JOIN attempts a ON a.plugin = p.id AND a.seq = c.root_seq WHERE a.reason_id = c.id) END`},
	}
}

func refusedInvariants() []invariant {
	return []invariant{
		{"every refused request belongs to a slot", `SELECT 'refused ' || id FROM refused WHERE share NOT IN (SELECT id FROM refused_shares)`},
		{"a share has the sums of its requests", `SELECT 'share ' || s.id FROM refused_shares s WHERE s.count = 0
			OR s.count <> (SELECT count(*) FROM refused WHERE share = s.id) + (SELECT coalesce(sum(count), 0) FROM refused_shares WHERE parent = s.id)
			OR s.bytes <> (SELECT coalesce(sum(size), 0) FROM refused WHERE share = s.id) + (SELECT coalesce(sum(bytes), 0) FROM refused_shares WHERE parent = s.id)`},
	}
}

func laneInvariants() []invariant {
	return []invariant{
		{"no cursor is beyond the log", `SELECT name FROM plugins WHERE cursor > (SELECT coalesce(max(seq), 0) FROM events)`},
		{"no lane is beyond the log", `SELECT p.name || ' ' || l.key FROM lanes l JOIN plugins p ON p.id = l.plugin
			WHERE l.next > (SELECT coalesce(max(seq), 0) FROM events) + (l.state = 'ready')`},
		{"a lane counts the attempts of its next event", `SELECT p.name || ' ' || l.key FROM lanes l JOIN plugins p ON p.id = l.plugin
			WHERE (l.state <> 'ready' OR l.attempt > 0) AND l.attempt <> (
				SELECT coalesce(max(attempt), 0) FROM attempts a WHERE a.plugin = l.plugin AND a.seq = l.next AND a.run = 0)`},
		{"no event of a lane runs before an earlier one", `SELECT p.name || ' seq ' || e.seq || ' before ' || l.next FROM lanes l JOIN plugins p ON p.id = l.plugin
			JOIN events e ON e.mode = l.mode AND e.key = l.key AND e.seq > l.next
			JOIN attempts a ON a.plugin = l.plugin AND a.seq = e.seq AND a.run = 0 WHERE l.state <> 'ready' AND p.lane_rule = 'key key'`},
		{"a parked lane has its dead letter", `SELECT p.name || ' ' || l.key FROM lanes l JOIN plugins p ON p.id = l.plugin WHERE l.state = 'parked'
			AND NOT EXISTS (SELECT 1 FROM dead d WHERE d.plugin = l.plugin AND d.seq = l.next AND d.run = 0 AND d.attempt = l.attempt
				AND d.mode = l.mode AND d.key = l.key AND d.parks = 1 AND d.resolution = '')`},
	}
}

func attemptInvariants() []invariant {
	return []invariant{
		{"rows of plugins refer to known plugins", `SELECT kind || ' of plugin ' || plugin FROM (
			SELECT 'lanes' AS kind, plugin FROM lanes UNION SELECT 'attempts', plugin FROM attempts UNION SELECT 'dead letters', plugin FROM dead
			UNION SELECT 'runs', plugin FROM runs UNION SELECT 'releases', plugin FROM releases UNION SELECT 'replays', plugin FROM replay_parts
			UNION SELECT 'state', plugin FROM states UNION SELECT 'kv', plugin FROM kv UNION SELECT 'emitted events', plugin FROM emitted WHERE plugin IS NOT NULL
			UNION SELECT 'effects', plugin FROM effects UNION SELECT 'origins', plugin FROM effect_origins UNION SELECT 'fetches', plugin FROM fetches)
			WHERE plugin NOT IN (SELECT id FROM plugins)`},
		{"attempts refer to stored events and releases", `SELECT p.name || ' seq ' || a.seq FROM attempts a JOIN plugins p ON p.id = a.plugin
			WHERE NOT EXISTS (SELECT 1 FROM events WHERE seq = a.seq)
				OR (a.release IS NOT NULL AND NOT EXISTS (SELECT 1 FROM releases WHERE num = a.release AND plugin = a.plugin))`},
		{"attempts are numbered without a gap", fmt.Sprintf(`SELECT plugin || ' seq ' || seq || ' run ' || run FROM attempts
			GROUP BY plugin, seq, run HAVING sum(attempt <= %[1]d) <> min(max(attempt), %[1]d) OR sum(attempt > %[1]d) < min(max(attempt) - %[1]d, %[1]d)`, keptRows)},
		{"a plugin has no first run before its start", `SELECT p.name || ' seq ' || a.seq FROM plugins p JOIN attempts a ON a.plugin = p.id AND a.seq <= p.started_at WHERE a.run = 0`},
		{"a done attempt is the last of its run", `SELECT a.plugin || ' seq ' || a.seq || ' run ' || a.run FROM attempts a WHERE a.fate = 'done'
			AND EXISTS (SELECT 1 FROM attempts b WHERE b.plugin = a.plugin AND b.seq = a.seq AND b.run = a.run AND b.attempt > a.attempt)`},
		{"a dead run continues only when it was retried", `SELECT a.plugin || ' seq ' || a.seq || ' run ' || a.run FROM attempts a WHERE a.fate = 'dead'
			AND EXISTS (SELECT 1 FROM attempts b WHERE b.plugin = a.plugin AND b.seq = a.seq AND b.run = a.run AND b.attempt > a.attempt)
			AND NOT EXISTS (SELECT 1 FROM dead d WHERE d.plugin = a.plugin AND d.seq = a.seq AND d.run = a.run AND d.attempt = a.attempt AND d.resolution = 'retried')`},
		{"a failed run waits or is dead", `SELECT p.name || ' seq ' || a.seq || ' run ' || a.run FROM attempts a JOIN plugins p ON p.id = a.plugin
			WHERE a.fate = 'again' AND a.attempt = (SELECT max(attempt) FROM attempts b WHERE b.plugin = a.plugin AND b.seq = a.seq AND b.run = a.run)
			AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.plugin = a.plugin AND r.seq = a.seq AND r.run = a.run)
			AND NOT EXISTS (SELECT 1 FROM replays j WHERE j.id = a.run AND j.state = 'cancelled')
			AND (a.run > 0 OR NOT EXISTS (SELECT 1 FROM lanes l WHERE l.plugin = a.plugin AND l.next = a.seq))`},
	}
}

func deadInvariants() []invariant {
	return []invariant{
		{"a dead letter has its attempt", `SELECT p.name || ' seq ' || d.seq FROM dead d JOIN plugins p ON p.id = d.plugin WHERE NOT EXISTS (
			SELECT 1 FROM attempts a WHERE a.plugin = d.plugin AND a.seq = d.seq AND a.run = d.run AND a.attempt = d.attempt
				AND a.fate = 'dead' AND a.result = d.result)`},
		{"a dead attempt has its dead letter", `SELECT p.name || ' seq ' || a.seq || ' run ' || a.run FROM attempts a JOIN plugins p ON p.id = a.plugin WHERE a.fate = 'dead'
			AND NOT EXISTS (SELECT 1 FROM dead d WHERE d.plugin = a.plugin AND d.seq = a.seq AND d.run = a.run AND d.attempt = a.attempt)`},
		{"a run has at most one open dead letter", `SELECT p.name || ' seq ' || d.seq || ' run ' || d.run FROM dead d JOIN plugins p ON p.id = d.plugin
			WHERE d.resolution = '' GROUP BY d.plugin, d.seq, d.run HAVING count(*) > 1`},
		{"a parking dead letter has its lane", `SELECT p.name || ' seq ' || d.seq FROM dead d JOIN plugins p ON p.id = d.plugin WHERE d.parks = 1 AND d.resolution = ''
			AND NOT EXISTS (SELECT 1 FROM lanes l WHERE l.plugin = d.plugin AND l.mode = d.mode AND l.key = d.key AND l.state = 'parked' AND l.next = d.seq)`},
	}
}

func stateInvariants() []invariant {
	return []invariant{
		{"every state document is there", `SELECT 'plugin ' || plugin || ' ' || key || ' change ' || change FROM states s WHERE content_id IS NOT NULL
			AND NOT EXISTS (SELECT 1 FROM contents c WHERE c.id = s.content_id AND c.kind = 5 AND c.root_seq = s.seq)`},
		{"every value of kv is there", `SELECT 'plugin ' || plugin || ' ' || key FROM kv WHERE NOT EXISTS (
			SELECT 1 FROM contents c WHERE c.id = kv.content_id AND c.kind = 6 AND c.root_seq = kv.seq)`},
		{"a change of state was made by an attempt that settled", `SELECT 'plugin ' || s.plugin || ' ' || s.key || ' change ' || s.change FROM states s WHERE s.attempt > 0 AND NOT EXISTS (
			SELECT 1 FROM attempts a WHERE a.plugin = s.plugin AND a.seq = s.seq AND a.run = s.run AND a.attempt = s.attempt AND a.fate = 'done')`},
		{"a change of state without an attempt is a reset, or a fold of events that settled", `SELECT 'plugin ' || s.plugin || ' ' || s.key || ' change ' || s.change FROM states s
			WHERE s.attempt = 0 AND (s.run <> 0 OR s.content_id IS NOT NULL AND NOT EXISTS (
				SELECT 1 FROM attempts a WHERE a.plugin = s.plugin AND a.seq = s.seq AND a.fate = 'done'))`},
		{"no document has a higher version than its plugin", `SELECT p.name FROM plugins p WHERE p.state_version < (
			SELECT max(s.version) FROM states s WHERE s.plugin = p.id AND s.content_id IS NOT NULL AND s.change = (
				SELECT max(n.change) FROM states n WHERE n.plugin = s.plugin AND n.mode = s.mode AND n.key = s.key))`},
	}
}

func linkInvariants() []invariant {
	return []invariant{
		{"an event that was stored after its key was linked has a reference", `SELECT 'seq ' || e.seq FROM entity_links k
			JOIN events e ON e.mode = k.mode AND e.key = k.key AND e.seq > k.after WHERE e.customer_reference = ''`},
		{"no link is beyond the log", `SELECT mode || ' ' || key FROM entity_links WHERE after > (SELECT coalesce(max(seq), 0) FROM events)`},
	}
}

func emitInvariants() []invariant {
	return []invariant{
		{"an emitted event has its cause", `SELECT 'seq ' || seq FROM events WHERE origin = 'emit' AND NOT EXISTS (SELECT 1 FROM emitted m WHERE m.seq = events.seq)`},
		{"a cause belongs to an emitted event of the same mode", `SELECT 'seq ' || m.seq FROM emitted m LEFT JOIN events e ON e.seq = m.seq LEFT JOIN events c ON c.seq = m.cause
			WHERE e.origin IS NOT 'emit' OR c.mode IS NOT e.mode`},
		{"an emitted event has at most its part of its cause's allowance", `SELECT 'seq ' || m.seq FROM emitted m
			WHERE m.share > 0 AND m.share >= coalesce((SELECT share FROM emitted c WHERE c.seq = m.cause), ` + fmt.Sprint(inbox.MaxDescendants) + `)`},
		{"an emitted event is one deeper than its cause", `SELECT 'seq ' || m.seq FROM emitted m WHERE m.depth <> 1 + coalesce((SELECT depth FROM emitted c WHERE c.seq = m.cause), 0)`},
		{"an event was emitted by an attempt that settled", `SELECT 'seq ' || m.seq FROM emitted m JOIN plugins p ON p.id = m.plugin JOIN events e ON e.seq = m.seq
			WHERE e.source <> 'plugin:' || p.name OR NOT EXISTS (
				SELECT 1 FROM attempts a WHERE a.plugin = m.plugin AND a.seq = m.cause AND a.run = m.run AND a.attempt = m.attempt AND a.fate = 'done')`},
		{"the events of an attempt are numbered in order", `SELECT 'seq ' || seq FROM (
			SELECT seq, idx, row_number() OVER (PARTITION BY cause, plugin, run, attempt ORDER BY seq) AS place FROM emitted
			WHERE plugin IS NOT NULL AND effect = 0) WHERE idx <> place - 1`},
	}
}

func replayInvariants() []invariant {
	return []invariant{
		{"a waiting run waits behind a lane that lags", `SELECT p.name || ' seq ' || r.seq FROM runs r JOIN plugins p ON p.id = r.plugin WHERE r.waits = 1
			AND NOT EXISTS (SELECT 1 FROM lanes l WHERE l.plugin = r.plugin AND l.mode = r.mode AND l.key = r.key)`},
		{"a run counts its attempts", `SELECT p.name || ' seq ' || r.seq || ' run ' || r.run FROM runs r JOIN plugins p ON p.id = r.plugin WHERE r.attempt <> (
			SELECT coalesce(max(attempt), 0) FROM attempts a WHERE a.plugin = r.plugin AND a.seq = r.seq AND a.run = r.run)`},
		{"a pending run is neither done nor dead", `SELECT p.name || ' seq ' || r.seq || ' run ' || r.run FROM runs r JOIN plugins p ON p.id = r.plugin
			WHERE EXISTS (SELECT 1 FROM attempts a WHERE a.plugin = r.plugin AND a.seq = r.seq AND a.run = r.run AND a.fate = 'done')
				OR EXISTS (SELECT 1 FROM dead d WHERE d.plugin = r.plugin AND d.seq = r.seq AND d.run = r.run AND d.resolution = '')`},
		{"runs refer to stored events and replays", `SELECT p.name || ' seq ' || r.seq || ' run ' || r.run FROM runs r JOIN plugins p ON p.id = r.plugin
			WHERE NOT EXISTS (SELECT 1 FROM events WHERE seq = r.seq) OR (r.replay <> 0 AND r.replay <> r.run)
				OR (r.run <> 0 AND NOT EXISTS (SELECT 1 FROM replay_parts j WHERE j.replay = r.run AND j.plugin = r.plugin))`},
		{"attempts of a replay refer to a stored replay", `SELECT p.name || ' seq ' || a.seq || ' run ' || a.run FROM attempts a JOIN plugins p ON p.id = a.plugin
			WHERE a.run <> 0 AND NOT EXISTS (SELECT 1 FROM replay_parts j WHERE j.replay = a.run AND j.plugin = a.plugin)`},
		{"parts of a replay refer to a stored replay", `SELECT 'replay ' || replay FROM replay_parts WHERE replay NOT IN (SELECT id FROM replays)`},
		{"a replay is done when all its parts are", `SELECT 'replay ' || id FROM replays j WHERE (j.state = 'done' AND EXISTS (SELECT 1 FROM replay_parts p WHERE p.replay = j.id AND p.done = 0))
			OR (j.state = 'running' AND NOT EXISTS (SELECT 1 FROM replay_parts p WHERE p.replay = j.id AND p.done = 0))`},
		{"a replay counts its waiting runs", `SELECT 'replay ' || j.replay FROM replay_parts j WHERE j.waiting <> (
			SELECT count(*) FROM runs r WHERE r.plugin = j.plugin AND r.replay = j.replay AND r.waits = 1)`},
		{"a replay counts at most the runs that ended", `WITH ran AS (SELECT plugin, run, sum(fate = 'done') AS ok, sum(fate = 'dead') AS dead FROM attempts WHERE run > 0 GROUP BY plugin, run)
			SELECT 'replay ' || j.replay FROM replay_parts j LEFT JOIN ran ON ran.plugin = j.plugin AND ran.run = j.replay
			WHERE j.ok > coalesce(ran.ok, 0) OR j.dead > coalesce(ran.dead, 0)
				OR min(j.ok, j.dead, j.pending, j.retried, j.filtered, j.waiting) < 0`},
		{"a replay stays within its bounds", `SELECT 'replay ' || j.id FROM replays j JOIN replay_parts p ON p.replay = j.id
			WHERE p.position > j.upto OR j.upto > (SELECT coalesce(max(seq), 0) FROM events)`},
	}
}

func digestInvariants() []invariant {
	return []invariant{
		{"a sealed run has the digests of all its seqs", `SELECT 'run ' || id FROM digest_runs r WHERE sealed = 1 AND (
			last - first + 1 <> (SELECT count(*) FROM digest_entries WHERE run = r.id) OR parts <> (SELECT count(*) FROM digest_filters WHERE run = r.id))`},
		{"sealed runs follow each other from the first event", `SELECT 'run ' || id FROM (
			SELECT id, first, coalesce(lag(last) OVER (ORDER BY first), 0) AS before FROM digest_runs WHERE sealed = 1) WHERE first <> before + 1`},
		// the hash of an entry is the first 8 bytes of the digest with the highest bit flipped
		{"a sealed digest is its event's", `SELECT 'run ' || d.run || ' seq ' || d.seq FROM digest_entries d JOIN digest_runs r ON r.id = d.run AND r.sealed = 1
			LEFT JOIN events e ON e.seq = d.seq WHERE e.seq IS NULL OR d.seq NOT BETWEEN r.first AND r.last
				OR hex(substr(e.digest, 1, 8)) <> printf('%016X', CASE WHEN d.hash < 0 THEN d.hash & 9223372036854775807 ELSE d.hash | (1 << 63) END)`},
	}
}
