-- What is known of a row of the intake log changes often, what came in does not: the two are kept apart, so that a change
-- writes a few bytes.
CREATE TABLE standing (
    id          TEXT    NOT NULL PRIMARY KEY,
    received_ms INTEGER NOT NULL,
    incident    TEXT,
    -- Whether its handling is complete.
    done        INTEGER NOT NULL DEFAULT 0,
    -- What waits is not looked at before this moment.
    next_ms     INTEGER,
    -- How often an alert was told, when it was last, and until when it holds without being told again.
    told        INTEGER NOT NULL DEFAULT 1,
    updated_ms  INTEGER,
    until_ms    INTEGER
) WITHOUT ROWID;

-- Steps of handling after the first ones, in order.
CREATE TABLE steps (
    seq    INTEGER NOT NULL PRIMARY KEY,
    intake TEXT    NOT NULL,
    -- The step as JSON.
    step   TEXT    NOT NULL
);

-- A table with row ids keeps fat rows without overflow pages.
CREATE TABLE came_in (
    seq          INTEGER NOT NULL PRIMARY KEY,
    id           TEXT    NOT NULL,
    received_ms  INTEGER NOT NULL,
    source       TEXT    NOT NULL,
    service      TEXT    NOT NULL,
    payload      BLOB    NOT NULL,
    -- JSON array of the first handling steps.
    handling     TEXT    NOT NULL,
    -- The alert as it was last worded; NULL for what midwatch detected itself.
    alert        TEXT,
    -- When an alert ended, once that is on record.
    ends_ms      INTEGER,
    severity     TEXT,
    acknowledged INTEGER NOT NULL,
    -- Whether something keeps it from opening or joining an incident.
    suppressed   INTEGER NOT NULL,
    -- 128 bits in which every label of the row has set four. All ones may hold any label.
    sig_low      INTEGER NOT NULL,
    sig_high     INTEGER NOT NULL
);

INSERT INTO standing (id, received_ms, incident, done, next_ms, told, until_ms)
SELECT id, received_ms, incident, done, next_ms, told, ends_ms FROM intake;

INSERT INTO came_in (id, received_ms, source, service, payload, handling, alert, ends_ms, severity, acknowledged,
    suppressed, sig_low, sig_high)
SELECT id, received_ms, source, service, payload, handling, alert,
    CASE WHEN ends_ms <= CAST(unixepoch('subsec') * 1000 AS INTEGER) THEN ends_ms END,
    severity, acknowledged, alert IS NOT NULL AND done AND incident IS NULL, sig_low, sig_high
FROM intake ORDER BY received_ms, id;

DROP TABLE intake;
ALTER TABLE came_in RENAME TO intake;

CREATE UNIQUE INDEX intake_id ON intake (id);
CREATE INDEX intake_listed ON intake
    (received_ms, id, ends_ms, suppressed, acknowledged, service, severity, source, sig_low, sig_high);
CREATE INDEX standing_waiting ON standing (received_ms, id) WHERE done = 0;
CREATE INDEX standing_incident ON standing (incident) WHERE incident IS NOT NULL;
CREATE INDEX steps_of ON steps (intake);
