-- Lists of what came in, by what people ask for. A list walks one narrow index from its newest end; what that index cannot
-- tell for certain (labels) it narrows down by a signature.
ALTER TABLE intake ADD COLUMN service TEXT NOT NULL DEFAULT '';
ALTER TABLE intake ADD COLUMN severity TEXT;
ALTER TABLE intake ADD COLUMN acknowledged INTEGER NOT NULL DEFAULT 0;
-- 128 bits in which every label of the row has set four. All ones may hold any label.
ALTER TABLE intake ADD COLUMN sig_low INTEGER NOT NULL DEFAULT -1;
ALTER TABLE intake ADD COLUMN sig_high INTEGER NOT NULL DEFAULT -1;
-- What waits is not looked at before this moment.
ALTER TABLE intake ADD COLUMN next_ms INTEGER;

UPDATE intake SET service = COALESCE(CAST(payload AS TEXT) ->> '$.service', '') WHERE json_valid(CAST(payload AS TEXT));
UPDATE intake SET severity = alert ->> '$.severity', acknowledged = (alert -> '$.acknowledged') IS NOT NULL
WHERE alert IS NOT NULL;

-- The list's index knows when an alert ends, too.
DROP INDEX intake_ends;
CREATE INDEX intake_listed ON intake
    (received_ms, id, ends_ms, done, incident, acknowledged, service, severity, source, sig_low, sig_high);

CREATE INDEX incidents_listed ON incidents (opened_ms, id, state, service, cause);

-- What could not be used, whole, until a person has looked at it.
CREATE TABLE dead_letters (
    seq         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id          TEXT    NOT NULL UNIQUE,
    received_ms INTEGER NOT NULL,
    source      TEXT    NOT NULL,
    -- Who sent it, as far as is known.
    sender      TEXT    NOT NULL,
    -- The row of the intake log that could not be handled; NULL for a request that could not be read.
    intake      TEXT,
    reason      TEXT    NOT NULL,
    -- When it was last tried again, and JSON of the ids that it led to; NULL while it led to nothing.
    retried_ms  INTEGER,
    results     TEXT,
    -- Bytes that the body takes here.
    bytes       INTEGER NOT NULL,
    -- LZ4, with the size before it.
    body        BLOB    NOT NULL
);
CREATE INDEX dead_letters_listed ON dead_letters (received_ms, id);
CREATE INDEX dead_letters_size ON dead_letters (seq, bytes);
