//! What people wrote down: documents, reviews, and vectors of texts.

use crate::{Commit, Store, StoreError};
use midwatch_model::{IncidentId, Timestamp};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// Vectors that are read at once.
const VECTORS_MAX: usize = 1000;

/// A document as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDocument {
    pub collection: String,
    pub id: String,
    /// The name under which it came: its file, or the incident that it was learnt from.
    pub name: String,
    pub markdown: String,
    pub added_by: String,
    pub added_at: Timestamp,
}

/// What a person said to learning from an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    pub incident: IncidentId,
    pub accepted: bool,
    pub by: String,
    pub reason: String,
    pub at: Timestamp,
}

/// What becomes durable of knowledge.
#[derive(Clone, Debug, Default)]
pub struct KnowledgeRows {
    /// One with the collection and id of an older one takes its place.
    pub documents: Vec<StoredDocument>,
    /// Collection and id of what is taken away.
    pub removed: Vec<(String, String)>,
    pub reviews: Vec<Review>,
    /// Digest of a text and its model, and the vector as little-endian numbers of 32 bits.
    pub vectors: Vec<([u8; 32], Vec<u8>)>,
    /// Digests of vectors that are forgotten.
    pub removed_vectors: Vec<[u8; 32]>,
}

pub(crate) async fn write(db: &mut SqliteConnection, commit: &Commit) -> Result<(), sqlx::Error> {
    let rows = &commit.knowledge;
    for document in &rows.documents {
        write_document(db, document).await?;
    }
    for (collection, id) in &rows.removed {
        sqlx::query("DELETE FROM knowledge_documents WHERE collection = ? AND id = ?")
            .bind(collection)
            .bind(id)
            .execute(&mut *db)
            .await?;
    }
    for review in &rows.reviews {
        sqlx::query(
            "INSERT OR REPLACE INTO knowledge_reviews (incident, accepted, reviewed_by, reason, reviewed_ms) \
             VALUES (?, ?, ?, ?, ?)",
        )
        .bind(review.incident.as_str())
        .bind(review.accepted)
        .bind(&review.by)
        .bind(&review.reason)
        .bind(review.at.as_millisecond())
        .execute(&mut *db)
        .await?;
    }
    for digest in &rows.removed_vectors {
        sqlx::query("DELETE FROM knowledge_vectors WHERE digest = ?")
            .bind(&digest[..])
            .execute(&mut *db)
            .await?;
    }
    for (digest, vector) in &rows.vectors {
        sqlx::query("INSERT OR REPLACE INTO knowledge_vectors (digest, vector) VALUES (?, ?)")
            .bind(&digest[..])
            .bind(vector)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

async fn write_document(db: &mut SqliteConnection, document: &StoredDocument) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO knowledge_documents (collection, id, name, markdown, added_by, added_ms) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (collection, id) DO UPDATE SET name = excluded.name, markdown = excluded.markdown, \
         added_by = excluded.added_by, added_ms = excluded.added_ms",
    )
    .bind(&document.collection)
    .bind(&document.id)
    .bind(&document.name)
    .bind(&document.markdown)
    .bind(&document.added_by)
    .bind(document.added_at.as_millisecond())
    .execute(db)
    .await?;
    Ok(())
}

fn time(row: &SqliteRow, column: &str, what: &str) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(row.get(column))
        .map_err(|error| StoreError::Row { what: what.to_owned(), reason: error.to_string() })
}

impl Store {
    /// Every document that was added, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn documents(&self) -> Result<Vec<StoredDocument>, StoreError> {
        let rows =
            sqlx::query("SELECT * FROM knowledge_documents ORDER BY seq").fetch_all(&self.readers).await?;
        let read = |row: &SqliteRow| {
            Ok(StoredDocument {
                collection: row.get("collection"),
                id: row.get("id"),
                name: row.get("name"),
                markdown: row.get("markdown"),
                added_by: row.get("added_by"),
                added_at: time(row, "added_ms", "of a document")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// The vectors of some texts, by their digests, where there are any.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn vectors(&self, digests: &[[u8; 32]]) -> Result<Vec<([u8; 32], Vec<u8>)>, StoreError> {
        let mut found = Vec::new();
        for some in digests.chunks(VECTORS_MAX) {
            let mut ask =
                sqlx::QueryBuilder::new("SELECT digest, vector FROM knowledge_vectors WHERE digest IN (");
            let mut list = ask.separated(", ");
            for digest in some {
                list.push_bind(digest.to_vec());
            }
            ask.push(")");
            for row in ask.build().fetch_all(&self.readers).await? {
                let digest: Vec<u8> = row.get("digest");
                found.extend(<[u8; 32]>::try_from(digest).ok().map(|digest| (digest, row.get("vector"))));
            }
        }
        Ok(found)
    }

    /// The digests of all texts that have a vector.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn vector_digests(&self) -> Result<Vec<[u8; 32]>, StoreError> {
        let rows = sqlx::query("SELECT digest FROM knowledge_vectors").fetch_all(&self.readers).await?;
        Ok(rows.iter().filter_map(|row| row.get::<Vec<u8>, _>("digest").try_into().ok()).collect())
    }

    /// Closed incidents that nobody has reviewed yet, the last one first, as ids.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn unreviewed(&self, limit: u32) -> Result<Vec<IncidentId>, StoreError> {
        let rows = sqlx::query(
            "SELECT id FROM incidents WHERE state = 'closed' AND id NOT IN (SELECT incident FROM knowledge_reviews) \
             ORDER BY opened_ms DESC, id DESC LIMIT ?",
        )
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.iter().map(|row| IncidentId::new(row.get::<&str, _>("id"))).collect())
    }

    /// What was said to learning from an incident.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn review(&self, incident: &IncidentId) -> Result<Option<Review>, StoreError> {
        let row = sqlx::query("SELECT * FROM knowledge_reviews WHERE incident = ?")
            .bind(incident.as_str())
            .fetch_optional(&self.readers)
            .await?;
        let read = |row: SqliteRow| {
            Ok(Review {
                incident: incident.clone(),
                accepted: row.get("accepted"),
                by: row.get("reviewed_by"),
                reason: row.get("reason"),
                at: time(&row, "reviewed_ms", "of a review")?,
            })
        };
        row.map(read).transpose()
    }
}
