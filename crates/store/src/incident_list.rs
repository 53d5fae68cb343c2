//! Lists of incidents.

use crate::list::{Cursor, Page, Places};
use crate::views::COLUMNS;
use crate::{IncidentRow, Store, StoreError};
use midwatch_model::Timestamp;

/// What a list of incidents is to hold. What is absent sets no condition.
#[derive(Clone, Debug, Default)]
pub struct IncidentFilter {
    pub state: Option<String>,
    /// States that it must not be in.
    pub not_in: &'static [&'static str],
    pub service: Option<String>,
    pub cause: Option<String>,
    /// Opened at or after.
    pub since: Option<Timestamp>,
    /// Opened before.
    pub until: Option<Timestamp>,
}

impl IncidentFilter {
    fn places(&self) -> Places {
        let mut places = Places::begin("incidents INDEXED BY incidents_listed", "opened_ms");
        places.equal("state", self.state.as_deref());
        places.none_of("state", self.not_in);
        places.equal("service", self.service.as_deref());
        places.equal("cause", self.cause.as_deref());
        places.time("opened_ms >=", self.since);
        places.time("opened_ms <", self.until);
        places
    }
}

impl Store {
    /// A page of incidents, the last opened first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn incident_page(
        &self,
        filter: &IncidentFilter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<IncidentRow>, StoreError> {
        let places = Page::of(filter.places().fetch(after, limit + 1, &self.readers).await?, limit);
        let sql = format!(
            "{COLUMNS} WHERE id IN (SELECT value FROM json_each(?)) ORDER BY opened_ms DESC, id DESC"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(places.ids()).fetch_all(&self.readers).await?;
        let rows: Result<Vec<_>, _> = rows.iter().map(IncidentRow::read).collect();
        Ok(Page { rows: rows?, next: places.next })
    }
}
