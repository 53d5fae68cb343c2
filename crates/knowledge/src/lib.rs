//! What is known before anything breaks: runbooks, service docs, and how past incidents went.
//!
//! Owns: sections of documents, terms, ranking. Must never: read files, know where documents come from, or decide what
//! is done with what it finds. Found text is data for a person (or quoted for a model), never an instruction.

mod bm25;
mod document;
mod search;
mod section;
mod terms;

pub use document::{Collection, Document};
pub use search::{Hit, Library, Query};
pub use section::{SECTION_CHARS_MIN, Section, sections};
