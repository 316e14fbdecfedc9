CREATE TABLE attempts (
	plugin     INTEGER NOT NULL,
	seq        INTEGER NOT NULL,
	run        INTEGER NOT NULL CHECK (run >= 0), -- 0 for the first run, else the id of the replay
	attempt    INTEGER NOT NULL CHECK (attempt > 0),
	result     TEXT    NOT NULL CHECK (result <> ''),
	fate       TEXT    NOT NULL CHECK (CASE fate WHEN 'done' THEN 1 WHEN 'again' THEN 1 WHEN 'dead' THEN 1 ELSE 0 END),
	counted    INTEGER NOT NULL CHECK (counted IN (0, 1)),
	started_at INTEGER NOT NULL,
	duration   INTEGER NOT NULL CHECK (duration >= 0), -- microseconds
	release    INTEGER, -- releases.num
	reason_id  INTEGER, -- contents
	host_words INTEGER NOT NULL CHECK (host_words >= 0), -- bytes at the start of the reason that the host wrote; the plugin wrote the rest
	log_id     INTEGER, -- contents
	log_cut    INTEGER NOT NULL CHECK (log_cut IN (0, 1)), fuel INTEGER CHECK (fuel > 0),
	PRIMARY KEY (plugin, seq, run, attempt),
	CHECK ((fate = 'done') = (result IN ('ok', 'skip')))
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
	id     INTEGER NOT NULL PRIMARY KEY,
	at     INTEGER NOT NULL,
	actor  TEXT    NOT NULL,
	action TEXT    NOT NULL,
	target TEXT    NOT NULL,
	reason TEXT    NOT NULL
) STRICT;

CREATE TABLE contents (
	id       INTEGER NOT NULL PRIMARY KEY,            -- allocated by the writer, never reused: meta.contents_reserved is the highest id that it may allocate
	kind     INTEGER NOT NULL CHECK (kind > 0),       -- 1 event (headers and body), 2 refused request, 3 attempt log, 4 attempt reason
	subject  TEXT CHECK (root_seq IS NULL OR subject IS NOT NULL), -- MODE/KEY of its event; NULL for a refused request
	root_seq INTEGER,                                 -- seq of its event; NULL for a refused request
	encoding INTEGER NOT NULL CHECK (encoding > 0),   -- 1 the bytes as they are, 2 length of the headers (uvarint), headers as JSON, body
	key_id   INTEGER,                                       -- the key that encrypts it; NULL: not encrypted
	bytes    BLOB    NOT NULL,
	checksum INTEGER NOT NULL                               -- CRC-32C of bytes
) STRICT;

CREATE TABLE copies (
	seq      INTEGER NOT NULL PRIMARY KEY,
	count    INTEGER NOT NULL CHECK (count > 0),
	first_at INTEGER NOT NULL,
	last_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE crash_records (
	plugin      TEXT    NOT NULL,
	release     TEXT    NOT NULL,
	term        INTEGER NOT NULL CHECK (term >= 0), -- of the process that wrote the record
	running     INTEGER NOT NULL CHECK (running IN (0, 1)),
	ends        INTEGER NOT NULL CHECK (ends >= 0), -- consecutive unclean ends while it ran
	disabled_at INTEGER CHECK (disabled_at IS NULL OR running = 0), -- NULL: not disabled
	why         TEXT    NOT NULL,
	PRIMARY KEY (plugin, release, term)
) STRICT, WITHOUT ROWID;

CREATE TABLE dead (
	plugin      INTEGER NOT NULL,
	seq         INTEGER NOT NULL,
	run         INTEGER NOT NULL,
	attempt     INTEGER NOT NULL,
	mode        TEXT    NOT NULL CHECK (mode IN ('live', 'test')),
	key         TEXT    NOT NULL, -- key of the lane
	parks       INTEGER NOT NULL CHECK (parks IN (0, 1)),
	result      TEXT    NOT NULL,
	died_at     INTEGER NOT NULL,
	resolution  TEXT    NOT NULL CHECK (CASE resolution WHEN '' THEN 1 WHEN 'retried' THEN 1 WHEN 'discarded' THEN 1 ELSE 0 END),
	resolved_at INTEGER CHECK ((resolution = '') = (resolved_at IS NULL)),
	PRIMARY KEY (plugin, seq, run, attempt),
	CHECK (parks = 0 OR run = 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE digest_entries (
	run  INTEGER NOT NULL,
	hash INTEGER NOT NULL, -- first 64 bits of the digest, the highest flipped, so that signed integers have the order of digests
	seq  INTEGER NOT NULL,
	PRIMARY KEY (run, hash, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE digest_filters (
	run  INTEGER NOT NULL,
	part INTEGER NOT NULL CHECK (part >= 0),
	bits BLOB    NOT NULL,
	PRIMARY KEY (run, part)
) STRICT;

CREATE TABLE digest_runs (
	id     INTEGER NOT NULL PRIMARY KEY,
	level  INTEGER NOT NULL CHECK (level >= 0),
	first  INTEGER NOT NULL, -- first..last: the seqs of the run
	last   INTEGER NOT NULL CHECK (last >= first),
	parts  INTEGER NOT NULL CHECK (parts > 0),
	sealed INTEGER NOT NULL CHECK (sealed IN (0, 1)) -- 0: being written, or being deleted after a merge
) STRICT;

CREATE TABLE effect_origins (
	plugin      INTEGER NOT NULL,
	origin      TEXT    NOT NULL,
	held_at     INTEGER, -- NULL: not on hold
	hold_reason TEXT    NOT NULL DEFAULT '',
	probe_at    INTEGER NOT NULL DEFAULT 0,
	probes      INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (plugin, origin)
) STRICT, WITHOUT ROWID;

CREATE TABLE effect_tries (
	effect     INTEGER NOT NULL,
	try        INTEGER NOT NULL CHECK (try > 0),
	started_at INTEGER NOT NULL,
	duration   INTEGER NOT NULL, -- microseconds
	result     TEXT    NOT NULL,
	fate       TEXT    NOT NULL CHECK (CASE fate WHEN 'done' THEN 1 WHEN 'again' THEN 1 WHEN 'dead' THEN 1 ELSE 0 END),
	counted    INTEGER NOT NULL CHECK (counted IN (0, 1)),
	status     INTEGER, -- of the response; NULL: there was none
	why        TEXT    NOT NULL, -- in the host's words
	content_id INTEGER, -- the response
	PRIMARY KEY (effect, try)
) STRICT, WITHOUT ROWID;

CREATE TABLE effects (
	id          INTEGER PRIMARY KEY, -- in the order of the commits
	plugin      INTEGER NOT NULL,
	seq         INTEGER NOT NULL, -- of the attempt that asked
	run         INTEGER NOT NULL,
	attempt     INTEGER NOT NULL,
	idx         INTEGER NOT NULL CHECK (idx >= 0), -- in the http of its result
	mode        TEXT    NOT NULL CHECK (mode IN ('live', 'test')),
	key         TEXT    NOT NULL, -- of the attempt's lane
	origin      TEXT    NOT NULL, -- with plugin, mode and key: the lane of effects
	method      TEXT    NOT NULL,
	idempotency TEXT    NOT NULL,
	content_id  INTEGER NOT NULL, -- the request
	created_at  INTEGER NOT NULL,
	state       TEXT    NOT NULL CHECK (CASE state WHEN 'waiting' THEN 1 WHEN 'retry' THEN 1 WHEN 'done' THEN 1 WHEN 'dead' THEN 1 WHEN 'discarded' THEN 1
		WHEN 'held' THEN 1 ELSE 0 END),
	open        INTEGER NOT NULL CHECK (open IN (0, 1)), -- later effects of its lane wait behind it
	due_at      INTEGER, -- NULL: it waits behind another effect of its lane, or it is not sent any more
	tries       INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0),
	counted     INTEGER NOT NULL DEFAULT 0 CHECK (counted >= 0 AND counted <= tries), -- towards max_attempts
	finished_at INTEGER, then_event TEXT NOT NULL DEFAULT '', then_share INTEGER NOT NULL DEFAULT 0 CHECK (then_share >= 0), -- when it became done, dead or discarded
	CHECK (open = 1 OR state NOT IN ('waiting', 'retry')),
	CHECK (open = 0 OR CASE state WHEN 'waiting' THEN 1 WHEN 'retry' THEN 1 WHEN 'dead' THEN 1 ELSE 0 END),
	CHECK (due_at IS NULL OR state IN ('waiting', 'retry')),
	CHECK ((finished_at IS NULL) = CASE state WHEN 'waiting' THEN 1 WHEN 'retry' THEN 1 WHEN 'held' THEN 1 ELSE 0 END)
) STRICT;

CREATE TABLE emitted (
	seq     INTEGER NOT NULL PRIMARY KEY,         -- of the emitted event
	plugin  INTEGER,                              -- NULL: the plugin was removed, and its attempts with it
	cause   INTEGER NOT NULL CHECK (cause < seq), -- seq of the event whose attempt emitted it
	run     INTEGER NOT NULL,
	attempt INTEGER NOT NULL,
	idx     INTEGER NOT NULL CHECK (idx >= 0),    -- in the attempt's list
	depth   INTEGER NOT NULL CHECK (depth > 0)    -- one more than that of the cause; 0 for an event of a source
, share INTEGER NOT NULL DEFAULT 0 CHECK (share >= 0), effect INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE TABLE entity_links (
	mode      TEXT    NOT NULL CHECK (mode IN ('live', 'test')),
	key       TEXT    NOT NULL CHECK (key <> ''), -- of events
	reference TEXT    NOT NULL CHECK (reference <> ''),
	after     INTEGER NOT NULL CHECK (after >= 0), -- the newest seq when it was linked: events with higher seqs carry the reference
	at        INTEGER NOT NULL,
	PRIMARY KEY (mode, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
	seq                INTEGER NOT NULL PRIMARY KEY,
	digest             BLOB    NOT NULL CHECK (length(digest) = 32), -- HMAC-SHA-256 with the store key: of source and body, and also of seq where the source repeats bodies on purpose
	source             TEXT    NOT NULL,
	mode               TEXT    NOT NULL CHECK (mode IN ('live', 'test')),
	origin             TEXT    NOT NULL CHECK (CASE origin WHEN 'webhook' THEN 1 WHEN 'readmitted' THEN 1 WHEN 'import' THEN 1 WHEN 'emit' THEN 1 ELSE 0 END),
	secret             TEXT    NOT NULL,
	event              TEXT    NOT NULL,
	event_type         TEXT    NOT NULL,
	external_id        TEXT    NOT NULL,
	key                TEXT    NOT NULL CHECK (key <> ''),
	customer_reference TEXT    NOT NULL,
	verdict            TEXT    NOT NULL CHECK (CASE verdict WHEN 'passed' THEN 1 WHEN 'failed' THEN 1 WHEN 'pending' THEN 1 WHEN 'unknown' THEN 1 ELSE 0 END),
	status             TEXT    NOT NULL,
	state              TEXT    NOT NULL,
	sub_status         TEXT    NOT NULL,
	rank               INTEGER NOT NULL CHECK (rank BETWEEN -1 AND 3),
	top_rank           INTEGER NOT NULL CHECK (top_rank >= rank), -- highest rank of the key's events up to this one
	late               INTEGER NOT NULL CHECK (late IN (0, 1)),
	duplicate_hint     INTEGER NOT NULL CHECK (duplicate_hint IN (0, 1)),
	norm_version       INTEGER NOT NULL,
	size               INTEGER NOT NULL,
	content_id         INTEGER, -- NULL after a purge
	received_at        INTEGER NOT NULL,
	first_seen_at      INTEGER NOT NULL,
	stored_at          INTEGER NOT NULL
) STRICT;

CREATE TABLE fetches (
	id         INTEGER PRIMARY KEY, -- in the order of the commits
	plugin     INTEGER NOT NULL,
	seq        INTEGER NOT NULL, -- of the attempt
	run        INTEGER NOT NULL,
	attempt    INTEGER NOT NULL,
	idx        INTEGER NOT NULL CHECK (idx >= 0), -- in the attempt
	method     TEXT    NOT NULL,
	origin     TEXT    NOT NULL,
	status     INTEGER NOT NULL CHECK (status >= 0), -- of the response; 0: there was none
	why        TEXT    NOT NULL, -- in the host's words
	ended      TEXT    NOT NULL, -- the failure with which it ended the attempt; empty: the plugin got the answer
	again      INTEGER NOT NULL CHECK (again IN (0, 1)), -- the answer is of an earlier journal, and no connection was opened
	started_at INTEGER NOT NULL,
	duration   INTEGER NOT NULL, -- microseconds
	content_id INTEGER NOT NULL -- url, digest of the request, answer
) STRICT;

CREATE TABLE kv (
	plugin     INTEGER NOT NULL,
	mode       TEXT    NOT NULL CHECK (mode IN ('live', 'test')),
	key        TEXT    NOT NULL CHECK (key <> ''),
	version    INTEGER NOT NULL, -- of the settlement that wrote it
	size       INTEGER NOT NULL CHECK (size >= 0), -- bytes of key and value
	content_id INTEGER NOT NULL,
	seq        INTEGER NOT NULL, -- of the attempt that wrote it
	at         INTEGER NOT NULL,
	PRIMARY KEY (plugin, mode, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE lanes (
	plugin  INTEGER NOT NULL,
	mode    TEXT    NOT NULL CHECK (mode IN ('live', 'test')),
	key     TEXT    NOT NULL,
	next    INTEGER NOT NULL CHECK (next > 0),
	state   TEXT    NOT NULL CHECK (CASE state WHEN 'ready' THEN 1 WHEN 'retry' THEN 1 WHEN 'parked' THEN 1 ELSE 0 END),
	due_at  INTEGER CHECK ((state = 'retry') = (due_at IS NOT NULL)),
	attempt INTEGER NOT NULL CHECK (attempt >= 0),
	counted INTEGER NOT NULL CHECK (counted BETWEEN 0 AND attempt),
	since   INTEGER NOT NULL,
	PRIMARY KEY (plugin, mode, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
	name  TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE plugins (
	id          INTEGER NOT NULL PRIMARY KEY,
	name        TEXT    NOT NULL UNIQUE,
	created_at  INTEGER NOT NULL,
	started_at  INTEGER NOT NULL CHECK (started_at >= 0), -- the plugin gets events with higher seqs
	cursor      INTEGER NOT NULL CHECK (cursor >= started_at),
	paused      INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
	live        TEXT    NOT NULL DEFAULT '',
	pinned      TEXT    NOT NULL DEFAULT '',
	pinned_off  TEXT    NOT NULL DEFAULT '',
	lane_rule   TEXT    NOT NULL DEFAULT '', -- how its events are divided into lanes
	held_at     INTEGER, -- NULL: not on hold
	hold_reason TEXT    NOT NULL DEFAULT '',
	probe_at    INTEGER NOT NULL DEFAULT 0,
	probes      INTEGER NOT NULL DEFAULT 0
, proven INTEGER NOT NULL DEFAULT 0 CHECK (proven IN (0, 1)), previous TEXT NOT NULL DEFAULT '', filtered INTEGER NOT NULL DEFAULT 0 CHECK (filtered >= 0), state_version INTEGER NOT NULL DEFAULT 0 CHECK (state_version >= 0)) STRICT;

CREATE TABLE refusals (
	hour    INTEGER NOT NULL, -- start of the hour
	source  TEXT    NOT NULL, -- empty: no source has the path
	why     TEXT    NOT NULL,
	lost    INTEGER NOT NULL CHECK (lost IN (0, 1)), -- 1: signed, and not stored
	count   INTEGER NOT NULL CHECK (count > 0),
	last_at INTEGER NOT NULL,
	PRIMARY KEY (hour, source, why, lost)
) STRICT, WITHOUT ROWID;

CREATE TABLE refused (
	id          INTEGER NOT NULL PRIMARY KEY,
	source      TEXT    NOT NULL,
	digest      BLOB    NOT NULL CHECK (length(digest) = 32),
	address     TEXT    NOT NULL,
	why         TEXT    NOT NULL CHECK (why <> ''),
	received_at INTEGER NOT NULL,
	last_at     INTEGER NOT NULL,
	count       INTEGER NOT NULL CHECK (count > 0),
	size        INTEGER NOT NULL, -- stored bytes, with headers
	body_size   INTEGER NOT NULL, -- bytes of the received body; more than the stored ones if it was cut
	share       INTEGER NOT NULL, -- refused_shares: the slot that counts it
	content_id  INTEGER NOT NULL,
	UNIQUE (source, digest)
) STRICT;

CREATE TABLE refused_dropped (
	cause TEXT    NOT NULL,
	why   TEXT    NOT NULL, -- as in refused
	count INTEGER NOT NULL CHECK (count > 0),
	PRIMARY KEY (cause, why)
) STRICT, WITHOUT ROWID;

CREATE TABLE refused_shares (
	id     INTEGER NOT NULL PRIMARY KEY,
	parent INTEGER NOT NULL, -- refused_shares; 0 for a class
	name   TEXT    NOT NULL,
	count  INTEGER NOT NULL CHECK (count >= 0),
	bytes  INTEGER NOT NULL CHECK (bytes >= 0),
	UNIQUE (parent, name)
) STRICT;

CREATE TABLE releases (
	num        INTEGER NOT NULL PRIMARY KEY,
	plugin     INTEGER NOT NULL,
	id         TEXT    NOT NULL,
	wasm       TEXT    NOT NULL,
	size       INTEGER NOT NULL,
	manifest   BLOB    NOT NULL,
	created_at INTEGER NOT NULL,
	actor      TEXT    NOT NULL,
	asks       BLOB    NOT NULL, -- the module's section inbox.manifest
	module     BLOB    NOT NULL, -- description of the module, as JSON; empty before its first start
	UNIQUE (plugin, id)
) STRICT;

CREATE TABLE replay_parts (
	replay   INTEGER NOT NULL,
	plugin   INTEGER NOT NULL,
	position INTEGER NOT NULL,
	ok       INTEGER NOT NULL DEFAULT 0,
	dead     INTEGER NOT NULL DEFAULT 0,
	pending  INTEGER NOT NULL DEFAULT 0,
	retried  INTEGER NOT NULL DEFAULT 0,
	filtered INTEGER NOT NULL DEFAULT 0,
	waiting  INTEGER NOT NULL DEFAULT 0,
	done     INTEGER NOT NULL DEFAULT 0 CHECK (done IN (0, 1)), dropped INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (replay, plugin)
) STRICT, WITHOUT ROWID;

CREATE TABLE replays (
	id          INTEGER NOT NULL PRIMARY KEY,
	created_at  INTEGER NOT NULL,
	finished_at INTEGER CHECK ((state = 'running') = (finished_at IS NULL)),
	actor       TEXT    NOT NULL,
	reason      TEXT    NOT NULL,
	filter      TEXT    NOT NULL CHECK (json_valid(filter)),
	only_what   TEXT    NOT NULL CHECK (CASE only_what WHEN 'all' THEN 1 WHEN 'failed' THEN 1 WHEN 'missing' THEN 1 ELSE 0 END),
	upto        INTEGER NOT NULL,
	rate        REAL    NOT NULL CHECK (rate >= 0),
	matched     INTEGER NOT NULL,
	state       TEXT    NOT NULL CHECK (CASE state WHEN 'running' THEN 1 WHEN 'done' THEN 1 WHEN 'cancelled' THEN 1 ELSE 0 END)
, effects TEXT NOT NULL DEFAULT 'send' CHECK (CASE effects WHEN 'send' THEN 1 WHEN 'hold' THEN 1 WHEN 'drop' THEN 1 ELSE 0 END), keep_keys INTEGER NOT NULL DEFAULT 0 CHECK (keep_keys IN (0, 1))) STRICT;

CREATE TABLE runs (
	plugin  INTEGER NOT NULL,
	seq     INTEGER NOT NULL,
	run     INTEGER NOT NULL CHECK (run >= 0),
	replay  INTEGER NOT NULL CHECK (replay >= 0),
	mode    TEXT    NOT NULL CHECK (mode IN ('live', 'test')),
	key     TEXT    NOT NULL,
	waits   INTEGER NOT NULL CHECK (waits IN (0, 1)),
	due_at  INTEGER NOT NULL,
	attempt INTEGER NOT NULL CHECK (attempt >= 0),
	counted INTEGER NOT NULL CHECK (counted BETWEEN 0 AND attempt),
	PRIMARY KEY (plugin, seq, run)
) STRICT, WITHOUT ROWID;

CREATE TABLE states (
	plugin     INTEGER NOT NULL,
	mode       TEXT    NOT NULL CHECK (mode IN ('live', 'test')),
	key        TEXT    NOT NULL, -- of the lane
	change     INTEGER NOT NULL CHECK (change > 0), -- from 1 in each lane
	seq        INTEGER NOT NULL, -- of the attempt that made the change
	run        INTEGER NOT NULL,
	attempt    INTEGER NOT NULL,
	version    INTEGER NOT NULL CHECK (version >= 0), -- state_version of the release
	size       INTEGER NOT NULL CHECK (size >= 0), -- bytes of the document
	content_id INTEGER, -- NULL: the change deleted the document
	at         INTEGER NOT NULL,
	PRIMARY KEY (plugin, mode, key, change)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
	name       TEXT    NOT NULL PRIMARY KEY CHECK (name <> ''),
	hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32), -- SHA-256 of the token
	scopes     TEXT    NOT NULL CHECK (scopes <> ''),             -- separated by spaces
	created_at INTEGER NOT NULL,
	expires_at INTEGER CHECK (expires_at > created_at),           -- NULL: never
	used_at    INTEGER                                            -- the hour of the newest use; NULL: not used yet
) STRICT, WITHOUT ROWID;

CREATE INDEX dead_by_death ON dead (died_at, seq, plugin, run, attempt);

CREATE INDEX dead_by_run ON dead (run, died_at, seq, plugin, attempt) WHERE run > 0;

CREATE INDEX dead_open ON dead (plugin, seq, run) WHERE resolution = '';

CREATE INDEX dead_open_by_death ON dead (died_at, seq, plugin, run, attempt) WHERE resolution = '';

CREATE UNIQUE INDEX effects_by_cause ON effects (plugin, seq, run, attempt, idx);

CREATE INDEX effects_dead ON effects (id) WHERE state = 'dead';

CREATE INDEX effects_due ON effects (plugin, origin, due_at, id) WHERE due_at IS NOT NULL;

CREATE INDEX effects_open ON effects (plugin, origin, mode, key, id) WHERE open = 1;

CREATE UNIQUE INDEX emitted_by_cause ON emitted (cause, plugin, run, attempt, effect, idx);

CREATE INDEX events_by_key ON events (mode, key, seq);

CREATE UNIQUE INDEX fetches_by_attempt ON fetches (plugin, seq, run, attempt, idx);

CREATE INDEX lanes_by_state ON lanes (plugin, state, next);

CREATE INDEX refused_by_age ON refused (received_at);

CREATE INDEX refused_by_share ON refused (share, digest);

CREATE INDEX refused_shares_by_bytes ON refused_shares (parent, bytes);

CREATE INDEX refused_shares_by_count ON refused_shares (parent, count);

CREATE INDEX runs_due ON runs (plugin, due_at, run, seq) WHERE waits = 0;

CREATE INDEX runs_of_replay ON runs (plugin, replay) WHERE waits = 0;

CREATE INDEX runs_waiting ON runs (plugin, mode, key, replay, seq) WHERE waits = 1;

CREATE INDEX states_by_seq ON states (seq);

