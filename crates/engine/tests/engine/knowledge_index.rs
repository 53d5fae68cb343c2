//! What every index of vectors must do: the one in memory, and Qdrant.
//!
//! A real Qdrant is asked where `MIDWATCH_TEST_QDRANT_URL` names one; else only a small server that answers as its REST API is
//! documented.

use crate::harness::Rig;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use midwatch_connectors::{Http, Qdrant, QdrantConfig, VectorIndex};
use midwatch_engine::{Answer, Embed, FoundBy, Load, Model, Question, Written};
use midwatch_knowledge::{Collection, ModelError, cosine};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

/// Names a real Qdrant.
const QDRANT: &str = "MIDWATCH_TEST_QDRANT_URL";

/// A model that knows three topics.
struct Topics;

impl Embed for Topics {
    fn embed(&self, text: &str) -> Result<Vec<f32>, ModelError> {
        let topics = [["disk", "space"], ["certificate", "ssl"], ["queue", "backlog"]];
        let mut vector: Vec<f32> = topics
            .iter()
            .map(|words| f32::from(u8::from(words.iter().any(|word| text.contains(word)))))
            .collect();
        vector.push(0.1);
        let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
        Ok(vector.into_iter().map(|number| number / length).collect())
    }
}

fn prepared(rig: &mut Rig, index: Option<&Arc<dyn VectorIndex>>) {
    let load: Load = Box::new(|| Ok(Arc::new(Topics)));
    let engine = Arc::get_mut(&mut rig.engine).expect("nobody else has it");
    engine.embed_with(Model::new(load, 300.0));
    if let Some(index) = index {
        engine.compare_vectors_in(index.clone());
    }
}

async fn add(rig: &Rig, name: &str, fields: &str, text: &str) {
    let text = format!("---\n{fields}\n---\n# {name}\n\n## Do\n{text}, and then look at the next one.\n");
    let written = Written { name: format!("{name}.md"), text };
    rig.engine.add_knowledge(&[written], "ana").await.expect("added");
}

async fn search(rig: &Rig, text: &str, anomaly_type: Option<&str>) -> Answer {
    let question = Question {
        text: text.into(),
        collection: Some(Collection::Runbooks),
        anomaly_type: anomaly_type.map(str::to_owned),
        ..Question::default()
    };
    rig.engine.search_knowledge(&question).await.expect("an answer")
}

/// The contract.
async fn check(index: Option<Arc<dyn VectorIndex>>) {
    let mut rig = Rig::with(|config| config.knowledge.shipped = false, "").await;
    prepared(&mut rig, index.as_ref());
    add(&rig, "volume", "tags: [a]", "the disk is full").await;
    add(&rig, "tls", "anomaly_types: [error_rate]", "renew the certificate").await;
    add(&rig, "lag", "anomaly_types: [queue_lag]", "the queue is long").await;
    let ids = |answer: &Answer| answer.hits.iter().map(|hit| hit.id.clone()).collect::<Vec<_>>();

    // Nearest first, and nothing that is far.
    let found = search(&rig, "ssl", None).await;
    assert_eq!((found.by, found.note.as_deref()), (FoundBy::WordsAndMeaning, None));
    assert_eq!(ids(&found), ["tls"]);
    assert!(found.hits[0].nearness.is_some_and(|near| near > 0.99), "{found:?}");
    // Filters hold for what is found by meaning, too.
    assert!(search(&rig, "ssl", Some("queue_lag")).await.hits.is_empty());
    assert_eq!(ids(&search(&rig, "backlog", Some("queue_lag")).await), ["lag"]);
    // What takes the place of another is found by what it says now.
    add(&rig, "tls", "tags: [a]", "free some space").await;
    assert!(search(&rig, "ssl", None).await.hits.is_empty());
    assert_eq!(search(&rig, "disk", None).await.hits.len(), 2);
    // What was taken away is not found, and a restart changes nothing.
    rig.engine.remove_knowledge(Collection::Runbooks, "volume").await.expect("removed");
    assert_eq!(ids(&search(&rig, "disk", None).await), ["tls"]);
    // Of what was replaced or taken away, nothing is kept.
    assert_eq!(rig.engine.store.vector_digests().await.expect("digests").len(), 2);
    let mut rig = rig.reopen().await;
    prepared(&mut rig, index.as_ref());
    assert_eq!(ids(&search(&rig, "disk", None).await), ["tls"]);
    assert_eq!(ids(&search(&rig, "backlog", None).await), ["lag"]);
}

fn qdrant(url: &str, collection: &str) -> Arc<dyn VectorIndex> {
    let config = QdrantConfig { url: url.into(), collection: collection.into(), api_key_file: None };
    Arc::new(Qdrant::new(Http::new().expect("a client"), &config).expect("a Qdrant"))
}

#[tokio::test]
async fn the_index_in_memory_keeps_the_contract() {
    check(None).await;
}

#[tokio::test]
async fn a_qdrant_keeps_the_contract() {
    let url = documented().await;
    check(Some(qdrant(&url, "midwatch"))).await;
    match std::env::var(QDRANT) {
        Ok(url) => check(Some(qdrant(&url, &format!("midwatch-test-{}", std::process::id())))).await,
        Err(_) => eprintln!("no real Qdrant was asked: {QDRANT} names none"),
    }
}

#[tokio::test]
async fn a_qdrant_that_does_not_answer_costs_nothing_but_a_note() {
    let mut rig = Rig::with(|config| config.knowledge.shipped = false, "").await;
    prepared(&mut rig, Some(&qdrant("http://127.0.0.1:1", "midwatch")));
    add(&rig, "tls", "tags: [a]", "renew the certificate").await;
    let found = search(&rig, "ssl", None).await;
    assert_eq!((found.by, found.hits.len()), (FoundBy::WordsAndMeaning, 1));
    assert!(found.note.is_some_and(|note| note.starts_with("compared in memory")));
}

/// A collection: the length of its vectors, and its points by id.
type Stored = (usize, BTreeMap<String, (Vec<f32>, Value)>);
type Collections = Arc<Mutex<HashMap<String, Stored>>>;
type Reply = Result<Json<Value>, StatusCode>;

/// A server that answers what we ask as the documentation of Qdrant's REST API says.
async fn documented() -> String {
    let router = Router::new()
        .route("/collections/{name}/exists", get(exists))
        .route("/collections/{name}", put(create))
        .route("/collections/{name}/points", put(upsert))
        .route("/collections/{name}/points/query", post(query))
        .with_state(Collections::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn done(result: Value) -> Reply {
    Ok(Json(json!({ "time": 0.001, "status": "ok", "result": result })))
}

async fn exists(State(all): State<Collections>, Path(name): Path<String>) -> Reply {
    done(json!({ "exists": all.lock().expect("a lock").contains_key(&name) }))
}

async fn create(State(all): State<Collections>, Path(name): Path<String>, Json(body): Json<Value>) -> Reply {
    let size = body["vectors"]["size"].as_u64().filter(|_| body["vectors"]["distance"] == "Cosine");
    let size = size.and_then(|size| usize::try_from(size).ok()).ok_or(StatusCode::BAD_REQUEST)?;
    match all.lock().expect("a lock").insert(name, (size, BTreeMap::new())) {
        None => done(json!(true)),
        Some(_) => Err(StatusCode::CONFLICT),
    }
}

fn numbers(value: &Value, size: usize) -> Result<Vec<f32>, StatusCode> {
    let all: Vec<f32> = value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_f64)
        .map(|number| number as f32)
        .collect();
    if all.len() == size { Ok(all) } else { Err(StatusCode::BAD_REQUEST) }
}

async fn upsert(
    State(all): State<Collections>,
    Path(name): Path<String>,
    Query(asked): Query<HashMap<String, String>>,
    Json(body): Json<Value>,
) -> Reply {
    // Without waiting, what was written may not be found yet.
    assert_eq!(asked.get("wait").map(String::as_str), Some("true"));
    let mut all = all.lock().expect("a lock");
    let (size, points) = all.get_mut(&name).ok_or(StatusCode::NOT_FOUND)?;
    for point in body["points"].as_array().ok_or(StatusCode::BAD_REQUEST)? {
        let id = point["id"].as_str().ok_or(StatusCode::BAD_REQUEST)?;
        // A UUID, with or without its dashes.
        if id.len() != 32 || !id.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(StatusCode::BAD_REQUEST);
        }
        points.insert(id.to_owned(), (numbers(&point["vector"], *size)?, point["payload"].clone()));
    }
    done(json!({ "operation_id": 0, "status": "completed" }))
}

async fn query(State(all): State<Collections>, Path(name): Path<String>, Json(body): Json<Value>) -> Reply {
    let all = all.lock().expect("a lock");
    let (size, points) = all.get(&name).ok_or(StatusCode::NOT_FOUND)?;
    let (asked, limit) = (numbers(&body["query"], *size)?, body["limit"].as_u64().unwrap_or(10));
    let mut scored: Vec<(f32, &String, &Value)> =
        points.iter().map(|(id, (vector, payload))| (cosine(vector, &asked), id, payload)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let shown = |(score, id, payload): (f32, &String, &Value)| match body["with_payload"] == true {
        true => json!({ "id": id, "version": 0, "score": score, "payload": payload }),
        false => json!({ "id": id, "version": 0, "score": score }),
    };
    done(json!({ "points": scored.into_iter().map(shown).collect::<Vec<_>>() }))
}
