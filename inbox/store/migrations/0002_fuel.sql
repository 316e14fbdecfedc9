-- Fuel that an attempt used, as counted in the guest: instructions, and bytes that were moved for it. NULL without a count.
ALTER TABLE attempts ADD COLUMN fuel INTEGER CHECK (fuel > 0);
