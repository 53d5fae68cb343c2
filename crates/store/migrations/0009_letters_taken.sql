-- Alerts of a dead letter's body that were taken when it came: trying it again is about the others.
ALTER TABLE dead_letters ADD COLUMN taken TEXT NOT NULL DEFAULT '[]';
