-- A request may name the event that its final response becomes.
ALTER TABLE effects ADD COLUMN then_event TEXT NOT NULL DEFAULT ''; -- empty: none
ALTER TABLE effects ADD COLUMN then_share INTEGER NOT NULL DEFAULT 0 CHECK (then_share >= 0); -- the descendants that the event may have

-- The effect whose response an emitted event is; 0: an attempt emitted it by itself. idx is then the number of the effect's last try.
ALTER TABLE emitted ADD COLUMN effect INTEGER NOT NULL DEFAULT 0;
DROP INDEX emitted_by_cause;
CREATE UNIQUE INDEX emitted_by_cause ON emitted (cause, plugin, run, attempt, effect, idx);
