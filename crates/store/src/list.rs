//! Lists: a page of rows, the newest first, by what people ask for.
//!
//! A page is found by walking one narrow index from its newest end, so that its cost does not depend on how fat rows are;
//! only the rows of the page itself are read.

use midwatch_model::Timestamp;
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{QueryBuilder, Row as _};

/// The place in a list after which the next page begins. To clients it is opaque.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) ms: i64,
    pub(crate) id: String,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}~{}", self.ms, self.id)
    }
}

impl std::str::FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('~').and_then(|(ms, id)| Some((i64::from_str_radix(ms, 16).ok()?, id)));
        let (ms, id) = parts
            .ok_or_else(|| format!("`{text}` is not a cursor; give `next_cursor` of the page before"))?;
        Ok(Self { ms, id: id.to_owned() })
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    pub rows: Vec<T>,
    /// Where the next page begins; `None` at the end of the list. There may be one after a page that is not full.
    pub next: Option<Cursor>,
}

impl Page<Cursor> {
    /// A page of `limit` places out of at least one more, where there are more.
    pub(crate) fn of(mut rows: Vec<Cursor>, limit: usize) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).cloned();
        Self { rows, next }
    }

    /// The ids as a JSON array, for SQLite to take apart.
    pub(crate) fn ids(&self) -> String {
        let ids: Vec<&str> = self.rows.iter().map(|place| place.id.as_str()).collect();
        serde_json::Value::from(ids).to_string()
    }
}

/// A query for places in a list: columns `id` and a time, and conditions.
pub(crate) struct Places {
    sql: QueryBuilder<Sqlite>,
    time: &'static str,
}

impl Places {
    /// `from` is a table with an index that begins with the time and the id.
    pub fn begin(from: &str, time: &'static str) -> Self {
        Self { sql: QueryBuilder::new(format!("SELECT id, {time} AS ms FROM {from} WHERE 1")), time }
    }

    pub fn equal(&mut self, column: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.sql.push(format!(" AND {column} = ")).push_bind(value.to_owned());
        }
    }

    pub fn holds(&mut self, condition: &'static str) {
        self.sql.push(" AND ").push(condition);
    }

    /// `condition` ends with the comparison of a query in brackets that is still open.
    pub fn within(&mut self, condition: &'static str, value: &str) {
        self.sql.push(" AND ").push(condition).push(" ").push_bind(value.to_owned()).push(")");
    }

    /// `condition` ends with the comparison.
    pub fn time(&mut self, condition: &str, at: Option<Timestamp>) {
        if let Some(at) = at {
            self.sql.push(format!(" AND {condition} ")).push_bind(at.as_millisecond());
        }
    }

    pub fn has_bits(&mut self, column: &str, bits: i64) {
        if bits != 0 {
            self.sql.push(format!(" AND ({column} & ")).push_bind(bits);
            self.sql.push(") = ").push_bind(bits);
        }
    }

    pub fn none_of(&mut self, column: &str, values: &[&'static str]) {
        for value in values {
            self.sql.push(format!(" AND {column} <> ")).push_bind(*value);
        }
    }

    /// At most `limit` places after one.
    pub async fn fetch(
        mut self,
        after: Option<&Cursor>,
        limit: usize,
        db: &sqlx::SqlitePool,
    ) -> Result<Vec<Cursor>, sqlx::Error> {
        let Self { sql, time } = &mut self;
        if let Some(after) = after {
            sql.push(format!(" AND ({time}, id) < (")).push_bind(after.ms);
            sql.push(", ").push_bind(after.id.clone()).push(")");
        }
        sql.push(format!(" ORDER BY {time} DESC, id DESC LIMIT ")).push_bind(limit as i64);
        let rows = sql.build().fetch_all(db).await?;
        Ok(rows.iter().map(place).collect())
    }
}

fn place(row: &SqliteRow) -> Cursor {
    Cursor { ms: row.get("ms"), id: row.get("id") }
}
