-- The truth: append-only records, hash-chained per stream.
CREATE TABLE records (
    stream TEXT    NOT NULL,
    seq    INTEGER NOT NULL,
    bytes  BLOB    NOT NULL,
    hash   BLOB    NOT NULL,
    PRIMARY KEY (stream, seq)
) WITHOUT ROWID;

-- The last record of every stream, kept apart so that a cut tail shows.
CREATE TABLE heads (
    stream TEXT    NOT NULL PRIMARY KEY,
    seq    INTEGER NOT NULL,
    hash   BLOB    NOT NULL
) WITHOUT ROWID;

-- What came in from outside and what was detected, durable before it is acknowledged; not chained.
CREATE TABLE intake (
    id          TEXT    NOT NULL PRIMARY KEY,
    received_ms INTEGER NOT NULL,
    source      TEXT    NOT NULL,
    payload     BLOB    NOT NULL,
    -- JSON array of handling steps, appended as they happen.
    handling    TEXT    NOT NULL DEFAULT '[]',
    incident    TEXT,
    done        INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX intake_pending ON intake (done, received_ms);
CREATE INDEX intake_incident ON intake (incident);

-- Wake-ups that survive a restart.
CREATE TABLE timers (
    stream TEXT    NOT NULL,
    kind   TEXT    NOT NULL,
    due_ms INTEGER NOT NULL,
    PRIMARY KEY (stream, kind)
) WITHOUT ROWID;

-- Views: rebuilt from the streams by `midwatch store rebuild`.
CREATE TABLE incidents (
    id        TEXT    NOT NULL PRIMARY KEY,
    state     TEXT    NOT NULL,
    open      INTEGER NOT NULL,
    service   TEXT    NOT NULL,
    cause     TEXT,
    opened_ms INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    summary   TEXT    NOT NULL
) WITHOUT ROWID;
CREATE INDEX incidents_open ON incidents (open, opened_ms);
CREATE INDEX incidents_service ON incidents (service, opened_ms);

CREATE TABLE artifacts (
    id       TEXT    NOT NULL,
    incident TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    at_ms    INTEGER NOT NULL,
    body     TEXT    NOT NULL,
    PRIMARY KEY (incident, kind, id)
) WITHOUT ROWID;

-- State that is convenient to have after a restart and harmless to lose, such as rolling baselines.
CREATE TABLE snapshots (
    name     TEXT    NOT NULL PRIMARY KEY,
    saved_ms INTEGER NOT NULL,
    bytes    BLOB    NOT NULL
) WITHOUT ROWID;
