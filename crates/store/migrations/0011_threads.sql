-- How far each receiver's integration was told of an incident, and what the vendor gave back: a message's or a page's id,
-- so that what comes next goes to the same place, also after a restart. Of a group of alerts, what was given back only.
CREATE TABLE threads (
    target   TEXT    NOT NULL,
    -- The incident's id or the group's key.
    topic    TEXT    NOT NULL,
    -- Records of the incident's stream that were looked at.
    told     INTEGER NOT NULL DEFAULT 0,
    -- Whether the incident may have more to tell.
    open     INTEGER NOT NULL DEFAULT 0,
    -- What the vendor gave back, as JSON.
    given    TEXT,
    at_ms    INTEGER NOT NULL,
    PRIMARY KEY (target, topic)
) WITHOUT ROWID;
CREATE INDEX threads_open ON threads (topic) WHERE open = 1;

-- Every attempt to send a notification.
CREATE TABLE notification_attempts (
    notification TEXT    NOT NULL,
    -- 1 for the first.
    attempt      INTEGER NOT NULL,
    at_ms        INTEGER NOT NULL,
    -- The notification's state after it.
    state        TEXT    NOT NULL,
    answer       TEXT    NOT NULL,
    PRIMARY KEY (notification, attempt)
) WITHOUT ROWID;

-- What is told of one incident is sent in order.
CREATE INDEX notifications_in_order ON notifications (target, group_key, seq) WHERE next_ms IS NOT NULL;
