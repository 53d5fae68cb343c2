-- Requests that brought alerts, whole and as they came.
CREATE TABLE deliveries (
    id          TEXT    NOT NULL PRIMARY KEY,
    received_ms INTEGER NOT NULL,
    source      TEXT    NOT NULL,
    -- Who sent it, as far as is known.
    sender      TEXT    NOT NULL,
    body        BLOB    NOT NULL
) WITHOUT ROWID;
CREATE INDEX deliveries_received ON deliveries (received_ms);

-- An alert's episode in the intake log: as it was last told, how often it was told, and when it is over. NULL for what
-- midwatch detected itself.
ALTER TABLE intake ADD COLUMN alert TEXT;
ALTER TABLE intake ADD COLUMN told INTEGER NOT NULL DEFAULT 1;
ALTER TABLE intake ADD COLUMN ends_ms INTEGER;
CREATE INDEX intake_ends ON intake (ends_ms) WHERE ends_ms IS NOT NULL;
