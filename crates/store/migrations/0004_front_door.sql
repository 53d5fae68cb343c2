-- What a sender signed or named once, so that the same request is not taken twice. The key is a digest.
CREATE TABLE seen (
    seq   INTEGER NOT NULL PRIMARY KEY,
    key   TEXT    NOT NULL UNIQUE,
    at_ms INTEGER NOT NULL
);
CREATE INDEX seen_at ON seen (at_ms);

-- What deployers tell that they did to a service. The last telling of an id holds.
CREATE TABLE changes (
    seq         INTEGER NOT NULL PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    service     TEXT    NOT NULL,
    at_ms       INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    -- The change as JSON.
    change      TEXT    NOT NULL
);
CREATE INDEX changes_at ON changes (at_ms);
CREATE INDEX changes_service ON changes (service, at_ms);
CREATE INDEX changes_received ON changes (received_ms);
