//! The engine's side of the front door: who sends under which name, what was sent before, and changes that are told.

use crate::{Engine, EngineConfig, EngineError, ReceiveError};
use midwatch_model::{Change, Evidence, Fingerprint, ServiceName, Timestamp};
use midwatch_signal::change::ChangeSource;
use midwatch_signal::source::{Mapping, Parsed, PayloadError, Source, Teller};
use midwatch_store::{Commit, Seen, StoreError, ToldChange};
use std::borrow::Cow;
use std::collections::BTreeSet;
use tokio::sync::{Mutex, MutexGuard};

/// How the alerts of one configured sender are read.
#[derive(Clone, Debug, PartialEq)]
pub enum Feed {
    /// As those of a vendor.
    Source(Source),
    /// By a mapping that a person declared.
    Mapped(Box<Mapping>),
}

impl Feed {
    pub(crate) fn parse(&self, body: &[u8]) -> Result<Parsed, PayloadError> {
        match self {
            Feed::Source(source) => source.parse(body),
            Feed::Mapped(mapping) => mapping.parse(body),
        }
    }

    /// Alerts belong to the name under which they are sent, so that two senders of one kind keep their ids apart.
    pub(crate) fn teller<'a>(&self, name: &'a str) -> Teller<'a> {
        match self {
            Feed::Source(source) => Teller { name, ..source.teller() },
            Feed::Mapped(mapping) => mapping.teller(name),
        }
    }
}

impl EngineConfig {
    /// What sends under a name: who is configured under it, else the vendor of that name.
    pub(crate) fn feed(&self, name: &str) -> Option<Cow<'_, Feed>> {
        let configured = self.feeds.get(name).map(Cow::Borrowed);
        configured.or_else(|| Source::any(name).map(|source| Cow::Owned(Feed::Source(source))))
    }
}

/// A request that brings alerts.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// The name under which it was sent.
    pub feed: &'a str,
    pub body: &'a [u8],
    /// Who sent it, as far as is known, for the record.
    pub sender: &'a str,
    /// What is the same if somebody sends it again, where its signature covers such a thing.
    pub replay_key: Option<&'a str>,
    /// Whether its signature allows to visit the address that confirms a subscription.
    pub may_confirm: bool,
    /// Alerts that were taken from it before.
    pub taken: &'a [Fingerprint],
}

/// A request that brings changes.
#[derive(Clone, Copy, Debug)]
pub struct IncomingChanges<'a> {
    /// The name under which it was sent.
    pub name: &'a str,
    pub source: ChangeSource,
    /// The value of the header that says what kind of event it is.
    pub event: Option<&'a str>,
    pub body: &'a [u8],
    pub replay_key: Option<&'a str>,
}

/// What was done with a request that brought changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceivedChanges {
    /// Ids of the changes, in the order of the body.
    pub accepted: Vec<String>,
    /// Whether it was taken before, so that nothing was done now.
    pub replayed: bool,
}

/// What became of a subscription that waits to be confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subscription {
    Confirmed,
    /// Nobody proved that the request is genuine: a person has to look at the address and visit it.
    Waits {
        url: String,
    },
}

/// What a request must not share with an earlier one, as digests.
pub(crate) struct Keys {
    request: Option<String>,
    events: Vec<String>,
}

impl Keys {
    /// The sender's name is part of each: one sender cannot use up another's ids.
    pub(crate) fn of(name: &str, replay_key: Option<&str>, events: &[String]) -> Self {
        let digest = |kind: &str, id: &str| {
            let parts = [name.as_bytes(), b"\0", kind.as_bytes(), b"\0", id.as_bytes()];
            Evidence::digest_of(&parts.concat())
        };
        Self {
            request: replay_key.map(|key| digest("request", key)),
            events: events.iter().map(|id| digest("event", id)).collect(),
        }
    }

    fn all(&self) -> Vec<String> {
        self.request.iter().chain(&self.events).cloned().collect()
    }

    /// The rows that make the request known once they are durable.
    pub(crate) fn seen(&self, at: Timestamp) -> Vec<Seen> {
        self.all().into_iter().map(|key| Seen { key, at }).collect()
    }
}

/// Number of turnstiles: enough that two senders rarely wait for each other.
const TURNSTILES: usize = 64;

/// Lets requests with the same key pass one after the other, so that the second knows how the first ended.
pub(crate) struct Turnstiles([Mutex<()>; TURNSTILES]);

impl Turnstiles {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(())))
    }

    async fn pass(&self, keys: &Keys) -> Vec<MutexGuard<'_, ()>> {
        // Always in the same order, so that no two requests wait for each other.
        let numbers: BTreeSet<usize> = keys.all().iter().map(|key| number(key)).collect();
        let mut passed = Vec::with_capacity(numbers.len());
        for number in numbers {
            passed.push(self.0[number].lock().await);
        }
        passed
    }
}

/// The turnstile of a digest: what its first digits say.
fn number(key: &str) -> usize {
    key.bytes().take(4).fold(0, |sum, byte| sum * 16 + usize::from(byte)) % TURNSTILES
}

/// A request whose keys nobody else can use until this is dropped.
pub(crate) struct Turn<'a> {
    pub replayed: bool,
    _passed: Vec<MutexGuard<'a, ()>>,
}

impl Engine {
    /// Waits until no other request with these keys is under way, and says whether one was taken before.
    pub(crate) async fn turn(&self, keys: &Keys, now: Timestamp) -> Result<Turn<'_>, EngineError> {
        let passed = self.turnstiles.pass(keys).await;
        let all = keys.all();
        if all.is_empty() {
            return Ok(Turn { replayed: false, _passed: passed });
        }
        // Without an answer nothing can be taken: it may be sent again.
        let unavailable = |error: StoreError| match error {
            error if error.is_unavailable() => error,
            StoreError::Read { source } => {
                StoreError::Unavailable { reason: format!("it cannot be read: {source}") }
            }
            error => StoreError::Unavailable { reason: error.to_string() },
        };
        let known = self.store.seen(&all, now).await.map_err(unavailable)?;
        let request = keys.request.as_ref().is_some_and(|key| known.contains(key));
        // What brings one event that is new is news.
        let events = !keys.events.is_empty() && keys.events.iter().all(|key| known.contains(key));
        Ok(Turn { replayed: request || events, _passed: passed })
    }

    /// Does what a subscription asks for before it delivers, if the request is genuine.
    pub(crate) async fn subscribe(
        &self,
        incoming: &Incoming<'_>,
        url: String,
    ) -> Result<Subscription, ReceiveError> {
        if !incoming.may_confirm {
            return Ok(Subscription::Waits { url });
        }
        self.fetch(&url).await.map_err(|error| ReceiveError::Unconfirmed(error.to_string()))?;
        tracing::info!(source = incoming.feed, "a subscription was confirmed");
        Ok(Subscription::Confirmed)
    }

    /// Fetches a small document from an address that was found to be a vendor's own.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn fetch(&self, url: &str) -> Result<Vec<u8>, midwatch_connectors::ConnectorError> {
        self.outside.fetch(url).await
    }

    /// Takes in a request with changes. They are durable when this returns.
    ///
    /// # Errors
    /// When the body cannot be read, or the store takes nothing now; then nothing is acknowledged.
    pub async fn receive_changes(
        &self,
        incoming: IncomingChanges<'_>,
    ) -> Result<ReceivedChanges, ReceiveError> {
        let now = self.now();
        let changes = incoming.source.parse(incoming.event, incoming.body, now)?;
        let keys = Keys::of(&format!("changes/{}", incoming.name), incoming.replay_key, &[]);
        let turn = self.turn(&keys, now).await?;
        if turn.replayed {
            return Ok(ReceivedChanges { replayed: true, ..ReceivedChanges::default() });
        }
        let mut accepted: Vec<String> = changes.iter().map(|change| change.id.clone()).collect();
        if let Some(pull) = incoming.source.merged(incoming.event, incoming.body)?
            && self.take_merge(&pull).await?
        {
            accepted.push(pull.url);
        }
        let told = |change: Change| ToldChange { change: change.redacted(), received_at: now };
        let changes = changes.into_iter().map(told).collect();
        let commit = Commit { changes, seen: keys.seen(now), ..Commit::default() };
        self.store.commit(commit).await.map_err(EngineError::from)?;
        if !accepted.is_empty() {
            self.wake.notify_one();
        }
        Ok(ReceivedChanges { accepted, replayed: false })
    }

    /// Changes that were told, newest first; of some services, or of all if none is named.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn changes(
        &self,
        services: &[ServiceName],
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<Change>, EngineError> {
        // Those of an older version lie in the store as they came.
        let changes = self.store.changes(services, since, limit).await?;
        Ok(changes.into_iter().map(Change::redacted).collect())
    }
}
