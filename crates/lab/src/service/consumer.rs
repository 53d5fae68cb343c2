//! The consumer of order events: fetches batches, drops duplicates, records deliveries, acknowledges.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::watch;

use super::{App, count, ramp, tick};
use crate::broker::{Delivery, FetchAsk, NackAsk};
use crate::catalogue::QUEUE;
use crate::client::{CallError, HttpClient};
use crate::launch::ConsumerWedge;

/// Messages per fetch; large enough to drain a backlog of tens of thousands within seconds.
const BATCH_MAX: usize = 2_000;
const IDLE_WAIT: Duration = Duration::from_millis(250);
const BROKER_TIMEOUT: Duration = Duration::from_secs(2);
/// Ids the process remembers to drop duplicates.
const REMEMBERED_MAX: usize = 20_000;
/// CPU time to render one notification.
const CPU_MS_PER_MESSAGE: f64 = 0.1;
/// Backlog from which the consumer says that it falls behind; the health check's bound.
pub(super) const LAG_MAX: u64 = 2_000;

pub(super) struct ConsumerState {
    client: HttpClient,
    broker: String,
    wedge: Mutex<Option<(ConsumerWedge, Instant)>>,
}

#[derive(Serialize, Deserialize)]
struct AckAsk<'a> {
    consumer: &'a str,
    delivery: u64,
}

impl ConsumerState {
    pub(super) fn new(client: HttpClient, broker: String) -> ConsumerState {
        ConsumerState { client, broker, wedge: Mutex::new(None) }
    }

    pub(super) fn set_wedge(&self, wedge: Option<ConsumerWedge>) {
        *self.wedge_slot() = wedge.map(|wedge| (wedge, Instant::now()));
    }

    pub(super) fn is_wedged(&self) -> bool {
        self.wedge_slot().is_some()
    }

    fn wedge_slot(&self) -> MutexGuard<'_, Option<(ConsumerWedge, Instant)>> {
        self.wedge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn post<T: Serialize>(&self, verb: &str, body: &T) -> Result<crate::client::Answer, CallError> {
        let url = format!("{}/queues/{QUEUE}/{verb}", self.broker);
        self.client.send_json(Method::POST, &url, &[], body, BROKER_TIMEOUT).await
    }
}

/// Message ids that this process has handled already, oldest forgotten first.
#[derive(Default)]
struct Handled {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Handled {
    fn is_new(&self, id: u64) -> bool {
        !self.known.contains(&id)
    }

    fn remember(&mut self, id: u64) {
        if self.known.insert(id) {
            self.order.push_back(id);
        }
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

pub(super) async fn consume(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    let mut handled = Handled::default();
    // The first look comes at once, so that the lag a new process reports is the real one.
    let mut wait = Duration::from_millis(1);
    while tick(&mut stopped, wait).await {
        let ask = FetchAsk { consumer: app.spec.instance.clone(), max: BATCH_MAX };
        wait = match fetch(&app, &ask).await {
            Ok(delivery) => {
                app.metrics.queue_lag.store(delivery.backlog, Ordering::Relaxed);
                if delivery.backlog > LAG_MAX {
                    app.log
                        .warn("consumer is falling behind", json!({"queue": QUEUE, "lag": delivery.backlog}));
                }
                process(&app, &mut handled, delivery).await
            }
            Err(error) => {
                app.log.error(
                    "the broker gave no messages",
                    json!({"queue": QUEUE, "error": error.to_string()}),
                );
                Duration::from_secs(1)
            }
        };
    }
    // Lets another consumer take over at once; without it the broker notices the silence after a few seconds.
    let _ = app.consumer.post("release", &json!({"consumer": app.spec.instance})).await;
}

async fn fetch(app: &App, ask: &FetchAsk) -> Result<Delivery, CallError> {
    app.consumer.post("fetch", ask).await?.json()
}

/// Handles one delivery and says how long to wait before the next.
async fn process(app: &App, handled: &mut Handled, delivery: Delivery) -> Duration {
    let Some(number) = delivery.delivery else { return IDLE_WAIT };
    if app.consumer.is_wedged() {
        return requeue(app, number, delivery.backlog).await;
    }
    let mut fresh: Vec<u64> = delivery.messages.iter().map(|message| message.id).collect();
    fresh.sort_unstable();
    fresh.dedup();
    fresh.retain(|id| handled.is_new(*id));
    let full = delivery.messages.len() >= BATCH_MAX;
    match deliver(app, &fresh).await {
        Ok(()) => {
            fresh.iter().for_each(|id| handled.remember(*id));
            let ask = AckAsk { consumer: &app.spec.instance, delivery: number };
            if app.consumer.post("ack", &ask).await.is_ok() {
                count(&app.metrics.queue_consumed, delivery.messages.len() as u64);
            }
            if full { Duration::from_millis(1) } else { IDLE_WAIT }
        }
        Err(reason) => {
            app.log
                .error("a batch of notifications failed", json!({"reason": reason, "messages": fresh.len()}));
            let ask = NackAsk { consumer: app.spec.instance.clone(), delivery: number, copies: 0 };
            // The broker requeues an unacknowledged delivery with the next fetch anyway.
            let _ = app.consumer.post("nack", &ask).await;
            IDLE_WAIT
        }
    }
}

async fn deliver(app: &App, fresh: &[u64]) -> Result<(), String> {
    if fresh.is_empty() {
        return Ok(());
    }
    let work = app.cpu.run(CPU_MS_PER_MESSAGE * fresh.len() as f64).await;
    work.map_err(|_| "cpu budget exhausted".to_owned())?;
    app.storage.record_deliveries(fresh).await.map_err(|error| error.to_string())
}

/// What a wedged worker does: nothing gets done, and every failed delivery schedules retries of its own.
async fn requeue(app: &App, delivery: u64, backlog: u64) -> Duration {
    let wedge = *app.consumer.wedge_slot();
    let wanted = wedge.map_or(0, |(wedge, since)| (wedge.backlog as f64 * ramp(since, wedge.ramp_s)) as u64);
    let copies = wanted.saturating_sub(backlog);
    app.log.error(
        "delivery worker makes no progress: lock on the outbox is held by a dead task; delivery requeued",
        json!({"queue": QUEUE, "lag": backlog, "retries_scheduled": copies}),
    );
    let ask = NackAsk { consumer: app.spec.instance.clone(), delivery, copies };
    // A lost nack is repeated with the next round.
    let _ = app.consumer.post("nack", &ask).await;
    Duration::from_millis(400)
}
