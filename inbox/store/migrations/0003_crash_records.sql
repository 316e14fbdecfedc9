-- The state of the live release, and the number of events that the plugin's filters excluded.
ALTER TABLE plugins ADD COLUMN proven INTEGER NOT NULL DEFAULT 0 CHECK (proven IN (0, 1)); -- 1: the live release has settled an event
ALTER TABLE plugins ADD COLUMN previous TEXT NOT NULL DEFAULT ''; -- the fallback of the live release
ALTER TABLE plugins ADD COLUMN filtered INTEGER NOT NULL DEFAULT 0 CHECK (filtered >= 0);

-- Disabled releases, and releases that a process has started and that may still crash it. A row is written before the start: after
-- an unclean end, the release of each row may have caused it. Releases are stored by name, because a release may never have been
-- live. A record belongs to the process that wrote it: the end of a process does not count for releases of another process.
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
