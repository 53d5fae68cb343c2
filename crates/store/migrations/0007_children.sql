-- Which incident one is a child of, so that a parent can be asked for its children.
ALTER TABLE incidents ADD COLUMN parent TEXT;
UPDATE incidents SET parent = (
    SELECT CAST(bytes AS TEXT) ->> '$.entry.parent' FROM records
    WHERE stream = 'incident/' || incidents.id AND CAST(bytes AS TEXT) ->> '$.entry.type' = 'linked'
    ORDER BY seq DESC LIMIT 1
);
CREATE INDEX incidents_children ON incidents (parent, opened_ms) WHERE parent IS NOT NULL;
