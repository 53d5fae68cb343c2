//! Publishes events to the broker.

use std::time::Duration;

use axum::http::Method;
use serde_json::json;

use super::{App, count};
use crate::catalogue::QUEUE;
use crate::client::HttpClient;

const PUBLISH_TIMEOUT: Duration = Duration::from_millis(1000);

pub(super) struct Publisher {
    client: HttpClient,
    broker: String,
}

impl Publisher {
    pub(super) fn new(client: HttpClient, broker: String) -> Publisher {
        Publisher { client, broker }
    }
}

/// Tells the queue that an order was placed. An order without its event is still an order: a failure is logged.
pub(super) async fn order_placed(app: &App, customer: u32) {
    let body = json!({"kind": "order_placed", "customer": customer});
    let url = format!("{}/queues/{QUEUE}/publish", app.publisher.broker);
    match app.publisher.client.send_json(Method::POST, &url, &[], &body, PUBLISH_TIMEOUT).await {
        Ok(answer) if answer.status.is_success() => count(&app.metrics.queue_published, 1),
        Ok(answer) => {
            app.log.error(
                "the broker refused an event",
                json!({"queue": QUEUE, "status": answer.status.as_u16()}),
            );
        }
        Err(error) => {
            app.log.error(
                "an event could not be published",
                json!({"queue": QUEUE, "error": error.to_string()}),
            );
        }
    }
}
