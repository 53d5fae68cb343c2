-- Which incident one is a child of, so that a parent can be asked for its children.
ALTER TABLE incidents ADD COLUMN parent TEXT;
-- A record that cannot be read is found by `store verify`; it is not for a migration to fail on it.
UPDATE incidents SET parent = (
    SELECT entry ->> '$.entry.parent' FROM (
        SELECT seq, CASE WHEN json_valid(CAST(bytes AS TEXT)) THEN CAST(bytes AS TEXT) END AS entry
        FROM records WHERE stream = 'incident/' || incidents.id
    )
    WHERE entry ->> '$.entry.type' = 'linked'
    ORDER BY seq DESC LIMIT 1
);
CREATE INDEX incidents_children ON incidents (parent, opened_ms) WHERE parent IS NOT NULL;
