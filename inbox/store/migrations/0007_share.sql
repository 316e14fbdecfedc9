-- The number of descendants that an emitted event may have. Events that were emitted before this migration may have none.
ALTER TABLE emitted ADD COLUMN share INTEGER NOT NULL DEFAULT 0 CHECK (share >= 0);
