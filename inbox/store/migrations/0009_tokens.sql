-- Tokens of the operator's API. Only their hashes are stored. A revoked token has no row; the audit log keeps its creation and its end.
CREATE TABLE tokens (
	name       TEXT    NOT NULL PRIMARY KEY CHECK (name <> ''),
	hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32), -- SHA-256 of the token
	scopes     TEXT    NOT NULL CHECK (scopes <> ''),             -- separated by spaces
	created_at INTEGER NOT NULL,
	expires_at INTEGER CHECK (expires_at > created_at),           -- NULL: never
	used_at    INTEGER                                            -- the hour of the newest use; NULL: not used yet
) STRICT, WITHOUT ROWID;
