-- Customer references that operators tied to verifications whose payloads carry none. An event that is stored after its key was linked
-- has the reference in its own row, so its lane never changes. Erasing a subject must delete its row here, too.
CREATE TABLE entity_links (
	mode      TEXT    NOT NULL CHECK (mode IN ('live', 'test')),
	key       TEXT    NOT NULL CHECK (key <> ''), -- of events
	reference TEXT    NOT NULL CHECK (reference <> ''),
	after     INTEGER NOT NULL CHECK (after >= 0), -- the newest seq when it was linked: events with higher seqs carry the reference
	at        INTEGER NOT NULL,
	PRIMARY KEY (mode, key)
) STRICT, WITHOUT ROWID;
