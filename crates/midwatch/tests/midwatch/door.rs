//! The front door of the binary: keys that it makes itself, and a sender with a secret. No lab is needed.

use crate::night::{midwatch, text, wait_for};
use crate::prometheus::free_port;
use serde_json::Value;
use std::process::{Child, Stdio};

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes a key; the key and the table for the configuration.
fn new_key(name: &str, scopes: &str) -> (String, String) {
    let output = midwatch().args(["key", "new", "--name", name, "--scopes", scopes]).output();
    let printed = text(&output.expect("midwatch runs").stdout);
    let key = printed.lines().map(str::trim).find(|line| line.starts_with("mw_")).expect("a key").to_owned();
    let table = printed.find("[[api_key]]").map(|at| printed[at..].to_owned()).expect("a table");
    assert!(!table.contains(&key), "the configuration does not hold the key");
    (key, table)
}

/// What a request with these headers is answered.
fn ask(url: &str, headers: &[(&str, &str)], body: Option<&str>) -> Option<(u16, Value)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = reqwest::Client::new();
        let mut request = match body {
            Some(body) => client.post(url).body(body.to_owned()),
            None => client.get(url),
        };
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.json().await.unwrap_or(Value::Null)))
    })
}

#[test]
fn a_server_knows_the_keys_that_midwatch_made_and_its_senders() {
    // A second caller of this loses nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let ((read, read_table), (ingest, ingest_table)) =
        (new_key("ana", "read"), new_key("prometheus", "ingest"));
    std::fs::write(path("secret"), "the-tills-secret\n").expect("written");
    let (port, secret) = (free_port(), path("secret"));
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\n[store]\npath = {:?}\n[report]\ndir = {:?}\n\
         [telemetry]\nkind = \"none\"\n{read_table}\n{ingest_table}\n\
         [[source]]\nname = \"till\"\nkind = \"mapped\"\nauth = \"bearer\"\nsecret_files = [{secret:?}]\n\
         [source.mapping]\ntitle = \"/name\"\nservice = \"/host\"\n",
        path("s.db"),
        path("postmortems"),
    );
    std::fs::write(path("m.toml"), config).expect("written");
    let log = std::fs::File::create(path("log")).expect("a log");
    let serve = midwatch().args(["serve", "-c", &path("m.toml")]).stdout(Stdio::null()).stderr(log).spawn();
    let server = Server(serve.expect("the server starts"));
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    wait_for("the server's answer", || ask(&url("/health"), &[], None));

    let generic = r#"{"service":"till","title":"it jams"}"#;
    let mapped = r#"{"name":"it jams","host":"till"}"#;
    let bearer = "Bearer the-tills-secret";
    for (path, key, body, status) in [
        ("/api/v1/ingest/generic", ("x-api-key", ingest.as_str()), Some(generic), 202),
        ("/api/v1/ingest/generic", ("x-api-key", read.as_str()), Some(generic), 403),
        ("/api/v1/ingest/generic", ("x-other", ""), Some(generic), 401),
        ("/api/v1/ingest/till", ("authorization", bearer), Some(mapped), 202),
        ("/api/v1/ingest/till", ("x-api-key", ingest.as_str()), Some(mapped), 401),
        ("/api/v1/alerts", ("x-api-key", read.as_str()), None, 200),
        ("/api/v1/alerts", ("x-api-key", ingest.as_str()), None, 403),
        ("/api/v1/alerts", ("authorization", bearer), None, 401),
    ] {
        let (answered, said) = ask(&url(path), &[key], body).expect("an answer");
        assert_eq!(answered, status, "{path} {key:?}: {said}");
    }
    let (_, shown) = ask(&url("/api/v1/config"), &[("x-api-key", read.as_str())], None).expect("an answer");
    assert!(shown["config"]["source"][0]["name"] == "till", "{shown}");
    assert!(
        !shown.to_string().contains("argon2id") && !shown.to_string().contains("tills-secret"),
        "{shown}"
    );
    drop(server);
    let log = std::fs::read_to_string(path("log")).expect("the log");
    for secret in [read.as_str(), ingest.as_str(), "tills-secret"] {
        assert!(!log.contains(secret), "{log}");
    }
}
