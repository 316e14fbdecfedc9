-- What attempts asked servers by http_fetch: their journals. The url and the answer are in contents.
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

CREATE UNIQUE INDEX fetches_by_attempt ON fetches (plugin, seq, run, attempt, idx);
