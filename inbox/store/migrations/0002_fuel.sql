-- What an attempt spent, by the guest's own count: instructions, and bytes moved for it. Null where nothing was counted.
ALTER TABLE attempts ADD COLUMN fuel INTEGER CHECK (fuel > 0);
