-- HTTP requests that plugins ask for. They are written in the commit of the attempt that asked, and sent after it. Requests and
-- answers are in contents.

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
	finished_at INTEGER, -- when it became done, dead or discarded
	CHECK (open = 1 OR state NOT IN ('waiting', 'retry')),
	CHECK (open = 0 OR CASE state WHEN 'waiting' THEN 1 WHEN 'retry' THEN 1 WHEN 'dead' THEN 1 ELSE 0 END),
	CHECK (due_at IS NULL OR state IN ('waiting', 'retry')),
	CHECK ((finished_at IS NULL) = CASE state WHEN 'waiting' THEN 1 WHEN 'retry' THEN 1 WHEN 'held' THEN 1 ELSE 0 END)
) STRICT;

CREATE UNIQUE INDEX effects_by_cause ON effects (plugin, seq, run, attempt, idx);
CREATE INDEX effects_open ON effects (plugin, origin, mode, key, id) WHERE open = 1;
CREATE INDEX effects_due ON effects (plugin, origin, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX effects_dead ON effects (id) WHERE state = 'dead';

-- Each try to send an effect: its first and its newest ones.
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

-- The origins of each plugin's effects. An origin on hold gets only probes.
CREATE TABLE effect_origins (
	plugin      INTEGER NOT NULL,
	origin      TEXT    NOT NULL,
	held_at     INTEGER, -- NULL: not on hold
	hold_reason TEXT    NOT NULL DEFAULT '',
	probe_at    INTEGER NOT NULL DEFAULT 0,
	probes      INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (plugin, origin)
) STRICT, WITHOUT ROWID;
