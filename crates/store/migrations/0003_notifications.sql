-- Requests that brought alerts, whole and in the order in which they were taken. Until the alerts' rows say what a
-- delivery told (see marks), it is read again after a crash.
DROP TABLE deliveries;
CREATE TABLE deliveries (
    seq         INTEGER NOT NULL PRIMARY KEY,
    received_ms INTEGER NOT NULL,
    source      TEXT    NOT NULL,
    -- Who sent it, as far as is known.
    sender      TEXT    NOT NULL,
    -- Whether it began or ended an alert; what only repeats is forgotten once the alerts' rows say so.
    news        INTEGER NOT NULL,
    -- LZ4, with the size before it.
    body        BLOB    NOT NULL
);
CREATE INDEX deliveries_repeats ON deliveries (seq) WHERE news = 0;

-- How far something has come: 'told' is the last delivery that the alerts' rows reflect.
CREATE TABLE marks (
    name TEXT    NOT NULL PRIMARY KEY,
    seq  INTEGER NOT NULL
) WITHOUT ROWID;

-- What receivers are told: written when it is decided, sent afterwards, at least once.
CREATE TABLE notifications (
    seq        INTEGER NOT NULL PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    -- The receiver's integration, such as team/webhook/0.
    target     TEXT    NOT NULL,
    group_key  TEXT    NOT NULL,
    why        TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    body       BLOB    NOT NULL,
    -- pending, delivered, superseded, failed
    state      TEXT    NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    -- When it is tried (again); NULL once it has ended.
    next_ms    INTEGER,
    ended_ms   INTEGER,
    -- What the receiver, or the way to it, said last.
    answer     TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX notifications_due ON notifications (next_ms) WHERE next_ms IS NOT NULL;

-- Which alerts a notification told of.
CREATE TABLE notified (
    alert        TEXT NOT NULL,
    notification TEXT NOT NULL,
    PRIMARY KEY (alert, notification)
) WITHOUT ROWID;

-- What each receiver knows of each group, so that a restart neither tells it again nor forgets.
CREATE TABLE notification_log (
    target    TEXT    NOT NULL,
    group_key TEXT    NOT NULL,
    at_ms     INTEGER NOT NULL,
    -- The log's entry as JSON.
    entry     TEXT    NOT NULL,
    -- After this moment the entry says nothing any more.
    until_ms  INTEGER NOT NULL,
    PRIMARY KEY (target, group_key)
) WITHOUT ROWID;
