//! Lists of alerts and anomalies.
//!
//! Labels are not in the list's index: it holds a signature of them, which rules out nearly all rows that lack a label;
//! what is left is read and compared.

use crate::intake::{IntakeRow, ROWS, select};
use crate::list::{Cursor, Page, Places};
use crate::signature::Signature;
use crate::{Store, StoreError};
use midwatch_model::label::all_match;
use midwatch_model::{Fingerprint, Labels, Matcher, Severity, Signal, Timestamp};
use serde::Deserialize;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

/// Rows whose labels one page looks at, at most. A condition that the signature cannot help with (a regular expression)
/// may not fit any row; the page then ends early and says where to go on. So many take about 20 ms.
const LOOKED_AT_MAX: usize = 1_000;

/// Rows whose labels are read at once.
const LOOK: usize = 250;

/// How an alert stands. Every alert is exactly one of these.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    serde::Serialize,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum AlertStatus {
    /// It fires; nobody has taken it on, and nothing keeps it quiet.
    Firing,
    /// It fires, and somebody has taken it on.
    Acknowledged,
    /// It fires, and something keeps it from opening or joining an incident.
    Suppressed,
    Resolved,
}

/// What a list of alerts and anomalies is to hold. What is absent sets no condition.
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    /// Anomalies have no status.
    pub status: Option<AlertStatus>,
    pub service: Option<String>,
    pub severity: Option<Severity>,
    pub source: Option<String>,
    pub incident: Option<String>,
    pub fingerprint: Option<Fingerprint>,
    /// All must hold.
    pub matchers: Vec<Matcher>,
    /// Received at or after.
    pub since: Option<Timestamp>,
    /// Received before.
    pub until: Option<Timestamp>,
}

/// As much of an alert as has to be compared.
#[derive(Deserialize)]
struct Look {
    source: String,
    #[serde(default)]
    id: Option<String>,
    labels: Labels,
}

impl Look {
    fn of(row: &SqliteRow) -> Option<Self> {
        if let Some(alert) = row.get::<Option<&str>, _>("alert") {
            return serde_json::from_str(alert).ok();
        }
        let signal: Signal = serde_json::from_slice(row.get("payload")).ok()?;
        Some(Self { source: String::new(), id: None, labels: signal.labels() })
    }

    fn fingerprint(&self) -> Fingerprint {
        match &self.id {
            Some(id) => Fingerprint::of_id(&self.source, id),
            None => Fingerprint::of(&self.labels),
        }
    }
}

impl AlertFilter {
    fn places(&self) -> Places {
        // An incident has few rows: those are sorted rather than all of them walked.
        let index = if self.incident.is_some() { "intake_id" } else { "intake_listed" };
        let mut places = Places::begin(&format!("intake INDEXED BY {index}"), "received_ms");
        if let Some(incident) = &self.incident {
            places.within("id IN (SELECT id FROM standing WHERE incident =", incident);
        }
        places.equal("service", self.service.as_deref());
        places.equal("severity", self.severity.map(Into::into));
        places.equal("source", self.source.as_deref());
        places.time("received_ms >=", self.since);
        places.time("received_ms <", self.until);
        if let Some(status) = self.status {
            places.holds(condition(status));
        }
        let fingerprint = self.fingerprint.map(|fingerprint| fingerprint.to_string());
        let wanted = Signature::needed_by(&self.matchers);
        let wanted = fingerprint.map_or(wanted, |fingerprint| wanted.with("", &fingerprint));
        places.has_bits("sig_low", wanted.low());
        places.has_bits("sig_high", wanted.high());
        places
    }

    /// Whether an index alone cannot answer.
    fn looks(&self) -> bool {
        !self.matchers.is_empty() || self.fingerprint.is_some()
    }

    fn takes(&self, look: &Look) -> bool {
        all_match(&self.matchers, &look.labels)
            && self.fingerprint.is_none_or(|wanted| look.fingerprint() == wanted)
    }
}

fn condition(status: AlertStatus) -> &'static str {
    match status {
        AlertStatus::Resolved => "ends_ms IS NOT NULL",
        AlertStatus::Suppressed => "severity IS NOT NULL AND ends_ms IS NULL AND suppressed = 1",
        AlertStatus::Acknowledged => {
            "severity IS NOT NULL AND ends_ms IS NULL AND suppressed = 0 AND acknowledged = 1"
        }
        AlertStatus::Firing => {
            "severity IS NOT NULL AND ends_ms IS NULL AND suppressed = 0 AND acknowledged = 0"
        }
    }
}

impl IntakeRow {
    /// How the alert stands as far as is on record; anomalies have no status.
    #[must_use]
    pub fn status(&self) -> Option<AlertStatus> {
        let alert = self.alert.as_ref()?;
        Some(match (self.ended_at.is_some(), self.done && self.incident.is_none()) {
            (true, _) => AlertStatus::Resolved,
            (false, true) => AlertStatus::Suppressed,
            (false, false) if alert.acknowledged.is_some() => AlertStatus::Acknowledged,
            (false, false) => AlertStatus::Firing,
        })
    }
}

impl Store {
    /// A page of alerts and anomalies, the last received first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn alerts(
        &self,
        filter: &AlertFilter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<IntakeRow>, StoreError> {
        let places = if filter.looks() {
            self.looked_at(filter, after, limit).await?
        } else {
            Page::of(filter.places().fetch(after, limit + 1, &self.readers).await?, limit)
        };
        Ok(Page { rows: self.intake_rows(&places).await?, next: places.next })
    }

    /// The newest episode of an alert.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn newest_episode(&self, fingerprint: Fingerprint) -> Result<Option<IntakeRow>, StoreError> {
        let filter = AlertFilter { fingerprint: Some(fingerprint), ..AlertFilter::default() };
        Ok(self.alerts(&filter, None, 1).await?.rows.pop())
    }

    /// Places of rows that were compared, too.
    async fn looked_at(
        &self,
        filter: &AlertFilter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Cursor>, StoreError> {
        let (mut found, mut last, mut looked_at) = (Vec::new(), after.cloned(), 0);
        loop {
            let places = filter.places().fetch(last.as_ref(), LOOK, &self.readers).await?;
            let (is_end, count) = (places.len() < LOOK, places.len());
            last = places.last().cloned();
            let places = Page { rows: places, next: None };
            found.extend(self.matching(filter, &places).await?);
            looked_at += count;
            if found.len() > limit {
                return Ok(Page::of(found, limit));
            }
            if is_end || looked_at >= LOOKED_AT_MAX {
                return Ok(Page { rows: found, next: last.filter(|_| !is_end) });
            }
        }
    }

    async fn matching(&self, filter: &AlertFilter, places: &Page<Cursor>) -> Result<Vec<Cursor>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, received_ms, alert, CASE WHEN alert IS NULL THEN payload END AS payload FROM intake \
             WHERE id IN (SELECT value FROM json_each(?)) ORDER BY received_ms DESC, id DESC",
        )
        .bind(places.ids())
        .fetch_all(&self.readers)
        .await?;
        let takes = |row: &&SqliteRow| Look::of(row).is_some_and(|look| filter.takes(&look));
        let place = |row: &SqliteRow| Cursor { ms: row.get("received_ms"), id: row.get("id") };
        Ok(rows.iter().filter(takes).map(place).collect())
    }

    async fn intake_rows(&self, places: &Page<Cursor>) -> Result<Vec<IntakeRow>, StoreError> {
        let these = "WHERE intake.id IN (SELECT value FROM json_each(?)) \
                     ORDER BY intake.received_ms DESC, intake.id DESC";
        let rows = sqlx::query(select(ROWS, these)).bind(places.ids()).fetch_all(&self.readers).await?;
        rows.iter().map(IntakeRow::read).collect()
    }
}
