-- What becomes of the requests that a replay's attempts ask for.
ALTER TABLE replays ADD COLUMN effects TEXT NOT NULL DEFAULT 'send' CHECK (CASE effects WHEN 'send' THEN 1 WHEN 'hold' THEN 1 WHEN 'drop' THEN 1 ELSE 0 END);
ALTER TABLE replays ADD COLUMN keep_keys INTEGER NOT NULL DEFAULT 0 CHECK (keep_keys IN (0, 1)); -- they have the keys of the first run's
ALTER TABLE replay_parts ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0; -- requests that were not stored
