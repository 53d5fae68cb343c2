//! Qdrant over its REST API (1.10 and later).

use super::{Near, Point, QdrantConfig, VectorIndex};
use crate::ConnectorError;
use crate::http::{Answer, Ask, Http, join, parse_url};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest wait for an answer: somebody waits for the search.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Points of one request; of 384 numbers each about 1 MB as JSON.
const POINTS_MAX: usize = 256;

/// A collection of a Qdrant.
pub struct Qdrant {
    http: Http,
    url: Url,
    collection: String,
    api_key: Option<String>,
}

#[derive(Deserialize)]
struct Exists {
    exists: bool,
}

#[derive(Deserialize)]
struct Found {
    points: Vec<Scored>,
}

#[derive(Deserialize)]
struct Scored {
    score: f32,
    payload: Payload,
}

#[derive(Deserialize)]
struct Payload {
    digest: String,
}

#[derive(Deserialize)]
struct Reply<T> {
    result: T,
}

impl Qdrant {
    /// A Qdrant as configured; it is not asked yet.
    ///
    /// # Errors
    /// When the address cannot be used or the key cannot be read.
    pub fn new(http: Http, config: &QdrantConfig) -> Result<Self, ConnectorError> {
        let url = parse_url("knowledge.qdrant.url", &config.url)?;
        let unreadable = |error: std::io::Error| ConnectorError::Config {
            field: "knowledge.qdrant.api_key_file".to_owned(),
            problem: error.to_string(),
        };
        let key =
            config.api_key_file.as_ref().map(std::fs::read_to_string).transpose().map_err(unreadable)?;
        let api_key = key.and_then(|text| text.lines().next().map(|line| line.trim().to_owned()));
        Ok(Self { http, url, collection: config.collection.clone(), api_key })
    }

    async fn ask(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<Answer, ConnectorError> {
        let mut segments = vec!["collections", self.collection.as_str()];
        segments.extend(path);
        let url = join(&self.url, &segments);
        let headers = self.api_key.iter().map(|key| ("api-key", key.clone())).collect();
        // What was written is found by whoever asks next.
        let query = if method == Method::PUT { vec![("wait", "true".to_owned())] } else { Vec::new() };
        self.http.ask_ok(Ask { method, headers, query, json: body, ..Ask::get(&url, TIMEOUT) }).await
    }

    async fn exists(&self) -> Result<bool, ConnectorError> {
        let answer = self.ask(Method::GET, &["exists"], None).await?;
        Ok(answer.json::<Reply<Exists>>("Qdrant")?.result.exists)
    }

    async fn put_all(&self, points: Vec<Point>) -> Result<(), ConnectorError> {
        let Some(first) = points.first() else { return Ok(()) };
        if !self.exists().await? {
            let body = json!({ "vectors": { "size": first.vector.len(), "distance": "Cosine" } });
            self.ask(Method::PUT, &[], Some(&body)).await?;
        }
        for some in points.chunks(POINTS_MAX) {
            let body = json!({ "points": some.iter().map(point).collect::<Vec<_>>() });
            self.ask(Method::PUT, &["points"], Some(&body)).await?;
        }
        Ok(())
    }

    async fn find(&self, vector: Vec<f32>, limit: usize) -> Result<Vec<Near>, ConnectorError> {
        if !self.exists().await? {
            return Ok(Vec::new());
        }
        let body = json!({ "query": vector, "limit": limit, "with_payload": true });
        let answer = self.ask(Method::POST, &["points", "query"], Some(&body)).await?;
        let found = answer.json::<Reply<Found>>("Qdrant")?.result.points;
        Ok(found.into_iter().filter_map(|one| Some((digest(&one.payload.digest)?, one.score))).collect())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    let byte = |at: usize| u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok();
    (0..32).map(byte).collect::<Option<Vec<u8>>>()?.try_into().ok()
}

/// Ids of points are numbers or UUIDs: half of the digest, which is still unlike any other.
fn point(point: &Point) -> Value {
    let id = hex(&point.digest[..16]);
    json!({ "id": id, "vector": point.vector, "payload": { "digest": hex(&point.digest) } })
}

impl VectorIndex for Qdrant {
    fn put(&self, points: Vec<Point>) -> BoxFuture<'_, Result<(), ConnectorError>> {
        self.put_all(points).boxed()
    }

    fn nearest(&self, vector: Vec<f32>, limit: usize) -> BoxFuture<'_, Result<Vec<Near>, ConnectorError>> {
        self.find(vector, limit).boxed()
    }
}
