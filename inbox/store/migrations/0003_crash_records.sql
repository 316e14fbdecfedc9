-- What is known of the live release, and what the plugin's filters left out.
ALTER TABLE plugins ADD COLUMN proven INTEGER NOT NULL DEFAULT 0 CHECK (proven IN (0, 1)); -- it has settled an event since it went live
ALTER TABLE plugins ADD COLUMN previous TEXT NOT NULL DEFAULT ''; -- the release to go back to when it fails at once
ALTER TABLE plugins ADD COLUMN filtered INTEGER NOT NULL DEFAULT 0 CHECK (filtered >= 0);

-- Releases that were started and have not survived it yet. A row is written before the start: a release that is here after an end
-- that was not clean may have caused it. And disabled releases. By name: it may never have been live.
-- Each record belongs to the process that wrote it: the end of one process says nothing about the releases of another.
CREATE TABLE crash_records (
	plugin      TEXT    NOT NULL,
	release     TEXT    NOT NULL,
	term        INTEGER NOT NULL CHECK (term >= 0), -- of that process
	running     INTEGER NOT NULL CHECK (running IN (0, 1)),
	ends        INTEGER NOT NULL CHECK (ends >= 0), -- unclean ends in a row with it running
	disabled_at INTEGER CHECK (disabled_at IS NULL OR running = 0), -- NULL: not disabled
	why         TEXT    NOT NULL,
	PRIMARY KEY (plugin, release, term)
) STRICT, WITHOUT ROWID;
