//! midwatch's own pages, when PagerDuty tells of them: whoever takes one up there has taken its incident up.
//!
//! Must never: make an alert of a page, which would be paged again; or take a page that was resolved for a service that has
//! recovered. That is what the verification is for.

use crate::door::Feed;
use crate::{Engine, EngineError};
use midwatch_incident::{Incident, State};
use midwatch_model::journal::{Entry, StreamId};
use midwatch_model::{Alert, IncidentId, ServiceName, Timestamp};
use midwatch_signal::source::{CHANGED_BY, INCIDENT_KEY, Source};

/// What the keys of midwatch's pages begin with; of an incident's, the rest is its id.
const OWN_KEYS: &str = "midwatch-";

/// How whoever resolved a page took its incident up.
const BY_RESOLVING: &str = "resolving the page in PagerDuty; midwatch goes on until it has seen the recovery";

/// How whoever acknowledged it did.
const BY_ACKNOWLEDGING: &str = "acknowledging the page in PagerDuty";

impl Engine {
    /// Notes what people did with pages of midwatch's own; the rest are alerts.
    pub(crate) async fn take_pages(
        &self,
        feed: &Feed,
        alerts: Vec<Alert>,
        now: Timestamp,
    ) -> Result<(Vec<Alert>, Vec<IncidentId>), EngineError> {
        if *feed != Feed::Source(Source::PagerDuty) {
            return Ok((alerts, Vec::new()));
        }
        let (pages, alerts): (Vec<Alert>, Vec<Alert>) =
            alerts.into_iter().partition(|alert| own_key(alert).is_some());
        let mut told = Vec::new();
        for page in &pages {
            told.extend(self.take_page(page, now).await?);
        }
        Ok((alerts, told))
    }

    /// The incident that somebody has taken up with its page.
    async fn take_page(&self, page: &Alert, now: Timestamp) -> Result<Option<IncidentId>, EngineError> {
        // What midwatch or a rule did comes back without a person.
        let Some(by) = page.annotations.get(CHANGED_BY) else { return Ok(None) };
        let id = own_key(page).filter(|id| ServiceName::new(*id).is_valid()).map(IncidentId::new);
        let Some(id) = id else { return Ok(None) };
        let journal = self.store.read(&StreamId::Incident(id.clone())).await?;
        let how = match (page.is_resolved(now), &page.acknowledged) {
            (true, _) => BY_RESOLVING,
            (false, Some(_)) => BY_ACKNOWLEDGING,
            (false, None) => return Ok(None),
        };
        let is_news = |incident: &Incident| match &incident.acknowledged {
            _ if incident.state == State::Closed => false,
            Some((_, known)) => how == BY_RESOLVING && known != BY_RESOLVING,
            None => true,
        };
        if !Incident::fold(journal.lines()).is_some_and(|incident| is_news(&incident)) {
            return Ok(None);
        }
        let entry = Entry::Acknowledged { by: by.to_owned(), how: how.to_owned() };
        self.tell(&id, |_| Ok(vec![entry.clone()])).await?;
        Ok(Some(id))
    }
}

/// What a page of midwatch's is about; `None` for what others page for.
fn own_key(alert: &Alert) -> Option<&str> {
    alert.annotations.get(INCIDENT_KEY)?.strip_prefix(OWN_KEYS)
}
