-- What plugins keep: a state document per lane, and key-value pairs per plugin and mode. Documents and values are in contents.

-- Every change of a state document. The newest change of a lane is the document. A change without a content deleted it.
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

CREATE INDEX states_by_seq ON states (seq); -- the changes that an event's attempts made

-- At least the highest version in states: a release with a lower one must not run.
ALTER TABLE plugins ADD COLUMN state_version INTEGER NOT NULL DEFAULT 0 CHECK (state_version >= 0);

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
