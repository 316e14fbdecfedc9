-- The causes of the events that plugins emitted. The events themselves are in events, with origin emit and source plugin:NAME.
CREATE TABLE emitted (
	seq     INTEGER NOT NULL PRIMARY KEY,         -- of the emitted event
	plugin  INTEGER,                              -- NULL: the plugin was removed, and its attempts with it
	cause   INTEGER NOT NULL CHECK (cause < seq), -- seq of the event whose attempt emitted it
	run     INTEGER NOT NULL,
	attempt INTEGER NOT NULL,
	idx     INTEGER NOT NULL CHECK (idx >= 0),    -- in the attempt's list
	depth   INTEGER NOT NULL CHECK (depth > 0)    -- one more than that of the cause; 0 for an event of a source
) STRICT;

CREATE UNIQUE INDEX emitted_by_cause ON emitted (cause, plugin, run, attempt, idx);
