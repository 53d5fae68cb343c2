//! A small message broker: one bounded queue in memory, one active consumer, deliveries that are acknowledged.
//!
//! Other consumers of the queue stand by and take over when the active one releases it or falls silent. An
//! unacknowledged delivery goes back to the head of the queue. Messages keep their id when they are delivered again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::catalogue::QUEUE;

/// Twice the largest backlog that the lab makes; beyond it publishing is refused.
const MESSAGES_MAX: usize = 100_000;
/// An active consumer that has not fetched for this long has lost the queue.
const SILENCE_MAX: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Message {
    pub id: u64,
    pub customer: u32,
}

/// Body of `POST /queues/{queue}/publish`.
#[derive(Debug, Deserialize)]
pub struct PublishAsk {
    pub kind: String,
    pub customer: u32,
}

/// Body of `POST /queues/{queue}/fetch`.
#[derive(Debug, Serialize, Deserialize)]
pub struct FetchAsk {
    pub consumer: String,
    pub max: usize,
}

/// Answer to a fetch: up to `max` messages, or none while another consumer is active.
#[derive(Debug, Serialize, Deserialize)]
pub struct Delivery {
    pub active: bool,
    pub delivery: Option<u64>,
    /// Messages that nobody has acknowledged, this delivery included.
    pub backlog: u64,
    pub messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
pub struct AckAsk {
    pub consumer: String,
    pub delivery: u64,
}

/// Body of `POST /queues/{queue}/nack`: back to the queue, with `copies` more deliveries scheduled as retries.
#[derive(Debug, Serialize, Deserialize)]
pub struct NackAsk {
    pub consumer: String,
    pub delivery: u64,
    pub copies: u64,
}

#[derive(Debug, Deserialize)]
pub struct ReleaseAsk {
    pub consumer: String,
}

#[derive(Default)]
struct Queue {
    ready: VecDeque<Message>,
    outstanding: Option<(u64, Vec<Message>)>,
    active: Option<(String, Instant)>,
    last_message: u64,
    last_delivery: u64,
}

impl Queue {
    fn backlog(&self) -> usize {
        self.ready.len() + self.outstanding.as_ref().map_or(0, |(_, messages)| messages.len())
    }

    fn requeue(&mut self) {
        if let Some((_, messages)) = self.outstanding.take() {
            for message in messages.into_iter().rev() {
                self.ready.push_front(message);
            }
        }
    }

    fn admit(&mut self, consumer: &str) -> bool {
        let free =
            self.active.as_ref().is_none_or(|(name, seen)| name == consumer || seen.elapsed() > SILENCE_MAX);
        if free {
            self.active = Some((consumer.to_owned(), Instant::now()));
        }
        free
    }

    fn owns(&self, consumer: &str, delivery: u64) -> bool {
        self.active.as_ref().is_some_and(|(name, _)| name == consumer)
            && self.outstanding.as_ref().is_some_and(|(number, _)| *number == delivery)
    }
}

/// The broker; it holds the queue `catalogue::QUEUE`.
#[derive(Default)]
pub struct Broker {
    queue: Mutex<Queue>,
}

impl Broker {
    pub fn backlog(&self) -> usize {
        self.lock().backlog()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Reply = (StatusCode, Json<Value>);

/// The broker's HTTP API.
pub fn router(broker: Arc<Broker>) -> axum::Router {
    axum::Router::new()
        .route("/queues/{queue}/publish", post(publish))
        .route("/queues/{queue}/fetch", post(fetch))
        .route("/queues/{queue}/ack", post(ack))
        .route("/queues/{queue}/nack", post(nack))
        .route("/queues/{queue}/release", post(release))
        .layer(DefaultBodyLimit::max(16 * 1024))
        .with_state(broker)
}

async fn publish(
    State(broker): State<Arc<Broker>>,
    Path(name): Path<String>,
    Json(ask): Json<PublishAsk>,
) -> Reply {
    let mut queue = broker.lock();
    if name != QUEUE {
        return refused(StatusCode::NOT_FOUND, "no such queue");
    }
    if queue.backlog() >= MESSAGES_MAX {
        return refused(StatusCode::SERVICE_UNAVAILABLE, "queue is full");
    }
    queue.last_message += 1;
    let message = Message { id: queue.last_message, customer: ask.customer };
    queue.ready.push_back(message);
    (StatusCode::OK, Json(json!({"id": message.id, "kind": ask.kind})))
}

async fn fetch(State(broker): State<Arc<Broker>>, Json(ask): Json<FetchAsk>) -> Json<Delivery> {
    let mut queue = broker.lock();
    let backlog = queue.backlog() as u64;
    if !queue.admit(&ask.consumer) {
        return Json(Delivery { active: false, delivery: None, backlog, messages: Vec::new() });
    }
    queue.requeue();
    let take = ask.max.min(queue.ready.len());
    let messages: Vec<Message> = queue.ready.drain(..take).collect();
    if messages.is_empty() {
        return Json(Delivery { active: true, delivery: None, backlog, messages });
    }
    queue.last_delivery += 1;
    let number = queue.last_delivery;
    queue.outstanding = Some((number, messages.clone()));
    Json(Delivery { active: true, delivery: Some(number), backlog, messages })
}

async fn ack(State(broker): State<Arc<Broker>>, Json(ask): Json<AckAsk>) -> Reply {
    let mut queue = broker.lock();
    if !queue.owns(&ask.consumer, ask.delivery) {
        return refused(StatusCode::CONFLICT, "this delivery is not outstanding for this consumer");
    }
    queue.outstanding = None;
    (StatusCode::OK, Json(json!({"status": "ok"})))
}

async fn nack(State(broker): State<Arc<Broker>>, Json(ask): Json<NackAsk>) -> Reply {
    let mut queue = broker.lock();
    if !queue.owns(&ask.consumer, ask.delivery) {
        return refused(StatusCode::CONFLICT, "this delivery is not outstanding for this consumer");
    }
    let failed = queue.outstanding.as_ref().map(|(_, messages)| messages.clone()).unwrap_or_default();
    queue.requeue();
    let room = MESSAGES_MAX.saturating_sub(queue.backlog());
    let copies = usize::try_from(ask.copies).unwrap_or(usize::MAX).min(room);
    queue.ready.extend(failed.iter().cycle().take(copies).copied());
    (StatusCode::OK, Json(json!({"status": "ok", "retries_scheduled": copies})))
}

async fn release(State(broker): State<Arc<Broker>>, Json(ask): Json<ReleaseAsk>) -> Reply {
    let mut queue = broker.lock();
    if queue.active.as_ref().is_some_and(|(name, _)| *name == ask.consumer) {
        queue.requeue();
        queue.active = None;
    }
    (StatusCode::OK, Json(json!({"status": "ok"})))
}

fn refused(status: StatusCode, error: &str) -> Reply {
    (status, Json(json!({"error": error})))
}
