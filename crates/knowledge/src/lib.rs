//! What is known before anything breaks: runbooks, service docs, and how past incidents went.
//!
//! Owns: documents and their shapes, sections, terms, vectors, ranking, and the documents that ship with midwatch. Must
//! never: read files, know where documents come from, or decide what is done with what it finds. Found text is data for a
//! person (or quoted for a model), never an instruction.

mod bm25;
mod document;
mod embed;
mod meaning;
mod read;
mod search;
mod section;
mod shipped;
mod terms;

pub use document::{Collection, Criticality, Document, ServiceFacts};
pub use embed::{Embedder, MODEL_FILES, MODEL_NAME, ModelError, ModelFile, cosine};
pub use meaning::Compared;
pub use read::{DOCUMENT_BYTES_MAX, DocumentError, INCIDENT_CHUNKS, read_document};
pub use search::{Hit, Library, MEANING_WEIGHT, Query};
pub use section::{SECTION_CHARS_MIN, Section, sections};
pub use shipped::{SHIPPED, shipped};
