//! Servers of language models that fail in every way, over the wire formats of each vendor.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use midwatch_connectors::{Llm, LlmConfig, LlmProvider};
use midwatch_model::llm::{Ask, NoReply, Reply, Tier, Turn};
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// One answer: status, what to wait, type, body; `None` never answers.
type Canned = Option<(u16, Option<&'static str>, &'static str, String)>;

/// What was asked, and what is answered; the last answer again and again.
type Book = Arc<Mutex<(Vec<HeaderMap>, Vec<Canned>)>>;

#[derive(Clone)]
struct Server {
    url: String,
    book: Book,
}

impl Server {
    async fn start(answers: Vec<Canned>) -> Self {
        let book: Book = Arc::new(Mutex::new((Vec::new(), answers)));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&book));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, book }
    }

    fn asked(&self) -> usize {
        self.book.lock().expect("the book").0.len()
    }
}

async fn answer(State(book): State<Book>, headers: HeaderMap) -> Response {
    let canned = {
        let mut book = book.lock().expect("the book");
        book.0.push(headers);
        let at = (book.0.len() - 1).min(book.1.len() - 1);
        book.1[at].clone()
    };
    let Some((status, wait, kind, body)) = canned else { return std::future::pending().await };
    let mut response = Response::builder().status(status).header(header::CONTENT_TYPE, kind);
    if let Some(wait) = wait {
        response = response.header(header::RETRY_AFTER, wait);
    }
    response.body(Body::from(body)).expect("a response")
}

const VENDORS: [LlmProvider; 3] = [LlmProvider::Anthropic, LlmProvider::Openai, LlmProvider::Bedrock];

/// A file with a key that nobody may see again.
const KEY: &str = "key-that-nobody-may-see";

async fn ask(server: &Server, provider: LlmProvider, stream: bool) -> Result<Reply, NoReply> {
    ask_within(0.5, server, provider, stream).await
}

async fn ask_within(
    read_timeout_s: f64,
    server: &Server,
    provider: LlmProvider,
    stream: bool,
) -> Result<Reply, NoReply> {
    let key = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(key.path(), KEY).expect("written");
    let config = LlmConfig {
        provider,
        model: Some("some-model".into()),
        url: Some(server.url.clone()),
        key_file: Some(key.path().to_owned()),
        read_timeout_s,
        stream,
        prompt_usd_per_mtok: 3.0,
        ..LlmConfig::default()
    };
    let llm = Llm::new(&config).expect("a configuration").expect("a model");
    let turns = [Turn::User { text: "what is it".into() }];
    llm.ask(&Ask::new(Tier::Investigate, "say", &turns, vec![], 100)).await
}

fn openai_text() -> String {
    json!({"id": "1", "object": "chat.completion", "model": "m", "choices": [{"index": 0, "finish_reason": "stop",
        "message": {"role": "assistant", "content": "fine"}}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}})
    .to_string()
}

fn json_answer(status: u16, body: &str) -> Canned {
    Some((status, Some("0"), "application/json", body.to_owned()))
}

#[tokio::test]
async fn what_passes_is_asked_again_three_times_and_what_does_not_is_not() {
    for (status, tries) in
        [(429, 4), (500, 4), (502, 4), (503, 4), (529, 4), (400, 1), (401, 1), (403, 1), (404, 1), (302, 1)]
    {
        for vendor in VENDORS {
            for stream in [false, true] {
                let server =
                    Server::start(vec![json_answer(status, r#"{"error": {"message": "no"}}"#)]).await;
                let end = ask(&server, vendor, stream).await;
                // What refuses a question may refuse only that its answer is streamed, and the way out is said.
                let expected = match status {
                    400 if stream => NoReply::StreamRefused { status },
                    _ => NoReply::Status { status, tries },
                };
                assert_eq!(end, Err(expected), "{vendor:?} {stream}");
                assert_eq!(server.asked(), tries as usize, "{vendor:?} {status}");
            }
        }
    }
}

#[tokio::test]
async fn an_overloaded_server_is_asked_again_until_it_answers() {
    let busy = json_answer(429, "{}");
    let fine = json_answer(200, &openai_text());
    let server = Server::start(vec![busy.clone(), busy, fine]).await;
    let reply = ask(&server, LlmProvider::Openai, false).await.expect("an answer");
    assert_eq!((reply.text.as_str(), reply.usage.tokens(), server.asked()), ("fine", 9, 3));
    assert!((reply.usage.cost - 7.0 * 3.0 / 1e6).abs() < 1e-12);
}

#[tokio::test]
async fn it_waits_as_long_as_it_is_told() {
    let server = Server::start(vec![
        Some((429, Some("1"), "application/json", "{}".into())),
        json_answer(200, &openai_text()),
    ])
    .await;
    let started = std::time::Instant::now();
    assert!(ask(&server, LlmProvider::Openai, false).await.is_ok());
    assert!(started.elapsed().as_secs_f64() >= 1.0);
}

#[tokio::test]
async fn what_is_no_answer_is_said_to_be_none_without_its_words() {
    let secret = "the server said hunter22";
    let cut = openai_text();
    let bodies = [
        ("application/json", String::new()),
        ("application/json", "{".to_owned()),
        ("application/json", cut[..cut.len() / 2].to_owned()),
        ("application/json", "[]".to_owned()),
        ("application/json", "null".to_owned()),
        ("application/json", format!("{{\"error\": \"{secret}\"}}")),
        ("text/html", format!("<html>{secret}</html>")),
        ("text/event-stream", format!("data: {{\"choices\": {secret}\n\n")),
        (
            "text/event-stream",
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n"
                .to_owned(),
        ),
        ("application/vnd.amazon.eventstream", "\u{0}\u{0}\u{0}\u{7f}".repeat(50)),
    ];
    for (kind, body) in bodies {
        for vendor in VENDORS {
            for stream in [false, true] {
                let server = Server::start(vec![Some((200, None, kind, body.clone()))]).await;
                let said = match ask(&server, vendor, stream).await {
                    // Some formats have no end that could be missed: an empty answer is one.
                    Ok(reply) => {
                        assert!(reply.calls.is_empty() && reply.text.is_empty(), "{vendor:?} {reply:?}");
                        String::new()
                    }
                    Err(why) => format!("{why} {why:?}"),
                };
                assert!(!said.contains("hunter22") && !said.contains(KEY), "{said}");
            }
        }
    }
}

#[tokio::test]
async fn silence_ends_by_the_timeout_and_is_not_asked_again() {
    for vendor in VENDORS {
        for stream in [false, true] {
            let server = Server::start(vec![None]).await;
            let end = ask(&server, vendor, stream).await;
            assert!(matches!(end, Err(NoReply::Timeout { tries: 1, .. })), "{vendor:?} {stream}: {end:?}");
            assert_eq!(server.asked(), 1);
        }
    }
}

#[tokio::test]
async fn an_answer_without_end_is_left() {
    let piece = json!({"id": "1", "object": "chat.completion.chunk", "model": "m",
        "choices": [{"index": 0, "delta": {"content": "x".repeat(10_000)}}]});
    let body = format!("data: {piece}\n\n").repeat(300);
    let server = Server::start(vec![Some((200, None, "text/event-stream", body))]).await;
    let end = ask(&server, LlmProvider::Openai, true).await;
    assert!(matches!(end, Err(NoReply::Garbled { .. })), "{end:?}");
}

/// A server that answers with pieces for as long as anybody reads them, and counts their bytes.
async fn endless(kind: &'static str, status: u16) -> (Server, Arc<AtomicU64>) {
    let sent = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent);
    let answer = move || {
        let counter = Arc::clone(&counter);
        let piece = Bytes::from(vec![b'x'; 64 * 1024]);
        let pieces = futures::stream::repeat_with(move || {
            counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
            Ok::<_, std::io::Error>(piece.clone())
        });
        let response = Response::builder().status(status).header(header::CONTENT_TYPE, kind);
        std::future::ready(response.body(Body::from_stream(pieces)).expect("a response"))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (Server { url, book: Book::default() }, sent)
}

#[tokio::test]
async fn what_no_answer_needs_is_not_read_whatever_it_calls_itself() {
    for vendor in VENDORS {
        for (kind, status, stream) in
            [("application/json", 200, false), ("text/event-stream", 200, true), ("text/plain", 403, false)]
        {
            let (server, sent) = endless(kind, status).await;
            let end = ask_within(60.0, &server, vendor, stream).await;
            let why = end.expect_err("it has no end").to_string();
            // A frame that says how long it is shows at once that it is none.
            let framed = vendor == LlmProvider::Bedrock && stream;
            assert!(framed || why.ends_with("the answer is too long"), "{vendor:?} {kind}: {why}");
            let sent = sent.load(Ordering::Relaxed);
            assert!(sent < 32 << 20, "{vendor:?} {kind}: {sent} bytes, those on the way with them");
        }
    }
}

#[tokio::test]
async fn without_a_key_nothing_is_sent() {
    let config = LlmConfig {
        provider: LlmProvider::Anthropic,
        model: Some("m".into()),
        key_env: Some("MIDWATCH_TEST_NO_SUCH_KEY".into()),
        ..LlmConfig::default()
    };
    let llm = Llm::new(&config).expect("a configuration").expect("a model");
    let end = llm.ask(&Ask::new(Tier::Classify, "", &[Turn::User { text: "x".into() }], vec![], 10)).await;
    assert_eq!(end, Err(NoReply::NoKey { env: "MIDWATCH_TEST_NO_SUCH_KEY".into() }));
}
