-- Documents that people added or accepted, as they were written. The one that was added last under an id holds.
CREATE TABLE knowledge_documents (
    seq        INTEGER NOT NULL PRIMARY KEY,
    collection TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    -- The name under which it came: its file, or the incident that it was learnt from.
    name       TEXT    NOT NULL,
    markdown   TEXT    NOT NULL,
    added_by   TEXT    NOT NULL,
    added_ms   INTEGER NOT NULL,
    UNIQUE (collection, id)
);

-- What people said to learning from an incident. Without a row nobody has looked at it yet.
CREATE TABLE knowledge_reviews (
    incident    TEXT    NOT NULL PRIMARY KEY,
    accepted    INTEGER NOT NULL,
    reviewed_by TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    reviewed_ms INTEGER NOT NULL
);

-- Vectors by the digest of their text and model, so that a text is embedded once. They can be made again.
CREATE TABLE knowledge_vectors (
    digest BLOB NOT NULL PRIMARY KEY,
    vector BLOB NOT NULL
);
