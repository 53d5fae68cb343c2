//! News of incidents for those who hear of them turn by turn: a channel, a mailbox, a page.
//!
//! Routing decides who is told of an incident, and when, as for every other alert. From then on the journal says what there is to
//! tell: each turn becomes one notification per receiver, in order, and how far each was told is durable with it.

use crate::desk::Desk;
use crate::{Engine, EngineError};
use midwatch_incident::{Incident, State};
use midwatch_model::journal::{Entry, Line, StreamId};
use midwatch_model::{Bulletin, IncidentId, Moment, Telling, Timestamp};
use midwatch_oncall::Integration;
use midwatch_report::{BulletinInput, Turn, bulletins};
use midwatch_store::{Commit, Notification, NotificationState, ThreadRow};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Incidents that are told of turn by turn.
#[derive(Default)]
pub(crate) struct Threads {
    /// Records of each incident's stream that each target was told of.
    told: HashMap<IncidentId, BTreeMap<String, u64>>,
    /// Incidents that may have something to tell.
    pub news: BTreeSet<IncidentId>,
}

impl Threads {
    /// What is known again after a restart: all of them may have news.
    pub(crate) fn of(rows: Vec<ThreadRow>) -> Self {
        let mut threads = Self::default();
        for row in rows {
            let id = IncidentId::new(row.topic);
            threads.news.insert(id.clone());
            threads.told.entry(id).or_default().insert(row.target, row.told);
        }
        threads
    }

    /// From now on a target hears of these incidents. Gives what is to be durable of that.
    pub(super) fn begin(
        &mut self,
        target: &str,
        incidents: &BTreeSet<IncidentId>,
        now: Timestamp,
    ) -> Vec<ThreadRow> {
        let mut begun = Vec::new();
        for id in incidents {
            let told = self.told.entry(id.clone()).or_default();
            if !told.contains_key(target) {
                told.insert(target.to_owned(), 0);
                self.news.insert(id.clone());
                begun.push(ThreadRow {
                    target: target.to_owned(),
                    topic: id.to_string(),
                    told: 0,
                    open: true,
                    at: now,
                });
            }
        }
        begun
    }

    fn forget(&mut self, id: &IncidentId) {
        self.news.remove(id);
        self.told.remove(id);
    }

    /// Notes that an incident's stream has grown. Gives whether anybody hears of that incident.
    pub(crate) fn touch(&mut self, lines: &[Line]) -> bool {
        let Some(Entry::Opened { incident, .. }) = lines.first().map(|line| &line.entry) else {
            return false;
        };
        let heard = self.told.contains_key(incident);
        if heard {
            self.news.insert(incident.clone());
        }
        heard
    }
}

impl Engine {
    /// Puts what is new about incidents into the outbox.
    pub(super) async fn tell_news(&self) -> Result<(), EngineError> {
        // Taken out before it is read: what comes meanwhile puts it in again.
        while let Some(id) = self.next_news().await {
            if let Err(error) = self.tell_incident(&id).await {
                self.desk.lock().await.threads.news.insert(id);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn next_news(&self) -> Option<IncidentId> {
        self.desk.lock().await.threads.news.pop_first()
    }

    async fn tell_incident(&self, id: &IncidentId) -> Result<(), EngineError> {
        let journal = self.store.read_intact(&StreamId::Incident(id.clone())).await?;
        let lines = journal.as_ref().map_or(&[][..], |journal| journal.lines());
        let Some(incident) = Incident::fold(lines) else {
            self.desk.lock().await.threads.forget(id);
            return Ok(());
        };
        let owner = self.watch.lock().await.registration(incident.component()).and_then(|r| r.owner.clone());
        let (now, seen) = (self.now(), lines.len() as u64);
        let is_open = !matches!(incident.state, State::Closed | State::FalseAlarm);
        let mut desk = self.desk.lock().await;
        let told = desk.threads.told.get(id).cloned().unwrap_or_default();
        let input = BulletinInput { lines, url: &self.config.external_url, owner: owner.as_deref() };
        let all = bulletins(input, told.values().copied().min().unwrap_or(seen));
        let quiet = desk.is_quiet(id, now);
        let mut commit = Commit::default();
        for (target, told) in told {
            if let Some(integration) = desk.integration(&target) {
                let wanted = wanted(&all, integration, told, quiet);
                commit
                    .notifications
                    .extend(wanted.into_iter().map(|told| self.notification(&target, told, now)));
            }
            desk.threads.told.entry(id.clone()).or_default().insert(target.clone(), seen);
            commit.threads.push(ThreadRow {
                target,
                topic: id.to_string(),
                told: seen,
                open: is_open,
                at: now,
            });
        }
        if !is_open {
            desk.threads.forget(id);
        }
        let written = self.write_from(&desk, commit).await;
        drop(desk);
        self.kept(written).await
    }

    fn notification(
        &self,
        target: &str,
        (turn, bulletin): &(Turn, Bulletin),
        now: Timestamp,
    ) -> Notification {
        Notification {
            id: format!("ntf-{}", self.ids.next(now)),
            target: target.to_owned(),
            group_key: bulletin.topic.clone(),
            why: turn.moment.to_string(),
            created_at: now,
            body: serde_json::to_vec(bulletin).unwrap_or_default(),
            state: NotificationState::Pending,
            attempts: 0,
            next_at: Some(now),
            ended_at: None,
            superseded_by: None,
            answer: String::new(),
            alerts: vec![bulletin.topic.clone()],
        }
    }
}

/// What an integration hears now. One that has a place for the incident begins with how it stands: what came before is no
/// news to anybody.
fn wanted<'a>(
    all: &'a [(Turn, Bulletin)],
    integration: &Integration,
    told: u64,
    quiet: bool,
) -> Vec<&'a (Turn, Bulletin)> {
    let is_end =
        |moment: Moment| matches!(moment, Moment::Resolved | Moment::FalseAlarm | Moment::Postmortem);
    let wanted = all.iter().filter(|(turn, _)| {
        turn.seq > told && integration.moments.contains(&turn.moment) && (!quiet || is_end(turn.moment))
    });
    let wanted: Vec<&(Turn, Bulletin)> = wanted.collect();
    match (integration.telling, told, wanted.last()) {
        (Telling::Thread, 0, Some(last)) => vec![last],
        _ => wanted,
    }
}

impl Desk {
    fn integration(&self, target: &str) -> Option<&Integration> {
        let receiver = self.receivers.get(crate::desk::receiver_of(target))?;
        receiver.integrations.iter().find(|integration| integration.target == target)
    }

    /// Whether somebody has silenced everything that fires about an incident: then only its end is told.
    fn is_quiet(&self, id: &IncidentId, now: Timestamp) -> bool {
        let alerts = self.followed.get(id).into_iter().flat_map(|follow| &follow.alerts);
        let firing =
            alerts.filter_map(|alert| self.get(*alert)).filter(|held| !self.is_over(&held.alert, now));
        let mut quiet = firing.map(|held| !self.suppression(&held.alert, now).is_none()).peekable();
        quiet.peek().is_some() && quiet.all(|quiet| quiet)
    }
}
