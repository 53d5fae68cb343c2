//! What comes in, as a person asks about it: lists, why, dead letters, maintenance. The real binary, without a lab.

use crate::night::{midwatch, text, wait_for};
use crate::prometheus::free_port;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};

/// A server that watches nothing and is told everything.
struct Door {
    dir: tempfile::TempDir,
    server: Child,
    address: String,
}

impl Door {
    fn open(config: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let address = format!("127.0.0.1:{}", free_port());
        let path = dir.path().join("midwatch.toml");
        let (store, reports) = (dir.path().join("m.db"), dir.path().join("postmortems"));
        let text = format!(
            "{config}\n[server]\nlisten = \"{address}\"\n[store]\npath = {store:?}\n[report]\ndir = {reports:?}\n[engine]\ntick_s = 0.1\n"
        );
        std::fs::write(&path, text).expect("written");
        let log = std::fs::File::create(dir.path().join("server.log")).expect("a log");
        let server = midwatch()
            .args(["serve", "--die-with-parent", "-c"])
            .arg(&path)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the server starts");
        let door = Self { dir, server, address };
        wait_for("the server's answer", || TcpStream::connect(&door.address).ok());
        wait_for("health", || (door.ask("GET", "/health", b"").0 == 200).then_some(()));
        door
    }

    fn ask(&self, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        let Ok(mut stream) = TcpStream::connect(&self.address) else { return (0, Value::Null) };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        let mut answer = Vec::new();
        if sent.and_then(|()| stream.read_to_end(&mut answer)).is_err() {
            return (0, Value::Null);
        }
        let answer = text(&answer);
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        // Chunked answers keep their JSON between the first and the last brace.
        let json = answer.find('{').and_then(|from| Some(&answer[from..=answer.rfind('}')?]));
        (status, json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or(Value::Null))
    }

    fn tell(&self, alert: &Value) -> String {
        let (status, answer) = self.ask("POST", "/api/v1/ingest/generic", alert.to_string().as_bytes());
        assert_eq!(status, 202, "{answer}");
        answer["accepted"][0].as_str().expect("an id").to_owned()
    }

    fn run(&self, args: &[&str]) -> String {
        let url = format!("http://{}", self.address);
        let output = midwatch().args(args).env("MIDWATCH_URL", url).output().expect("midwatch runs");
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{args:?}: {said}");
        said
    }

    fn ids(&self, query: &str) -> Vec<String> {
        let (status, answer) = self.ask("GET", &format!("/api/v1/alerts?{query}"), b"");
        assert_eq!(status, 200, "{query}: {answer}");
        let rows = answer["alerts"].as_array().expect("rows").iter();
        rows.map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        if std::thread::panicking()
            && let Ok(log) = std::fs::read_to_string(self.dir.path().join("server.log"))
        {
            eprintln!("the server's log:\n{log}");
        }
    }
}

fn alert(service: &str, title: &str, severity: &str) -> Value {
    json!({ "service": service, "title": title, "severity": severity, "labels": { "team": "db", "zone": service } })
}

#[test]
fn alerts_are_listed_by_what_is_asked_for_and_bad_filters_are_refused() {
    let door = Door::open("");
    let told: Vec<String> = (0..5)
        .map(|n| {
            let severity = if n % 2 == 0 { "critical" } else { "warning" };
            door.tell(&alert(&format!("service-{n}"), "it is slow", severity))
        })
        .collect();
    assert_eq!(door.ids("service=service-3"), [told[3].clone()]);
    assert_eq!(door.ids("severity=critical").len(), 3);
    assert_eq!(
        door.ids("match=zone%3D~%22service-[12]%22&match=team%3Ddb"),
        [told[2].clone(), told[1].clone()]
    );
    assert_eq!(door.ids("status=resolved").len(), 0);
    let (_, page) = door.ask("GET", "/api/v1/alerts?limit=2", b"");
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    assert_eq!(door.ids(&format!("limit=2&cursor={cursor}")), [told[2].clone(), told[1].clone()]);
    let fingerprint = page["alerts"][0]["fingerprint"].as_str().expect("a fingerprint").to_owned();
    let (_, newest) = door.ask("GET", &format!("/api/v1/alerts/{fingerprint}"), b"");
    assert_eq!(newest["id"], told[4].as_str());
    for (query, word) in [
        ("status=gone", "firing, acknowledged, suppressed, resolved"),
        ("severity=purple", "severity"),
        ("match=%3D", "match"),
        ("since=yesterday", "2026-11-22T03:00:00Z"),
        ("limit=0", "1 to 1000"),
        ("cursor=nonsense", "next_cursor"),
        ("servcie=x", "there is no filter `servcie`"),
    ] {
        let (status, answer) = door.ask("GET", &format!("/api/v1/alerts?{query}"), b"");
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(status == 400 && error.contains(word), "{query}: {status} {answer}");
    }
    let (status, _) = door.ask("GET", "/api/v1/incidents?cause=gremlins", b"");
    assert_eq!(status, 400);
    wait_for("incidents", || {
        let (_, answer) = door.ask("GET", "/api/v1/incidents?service=service-0&open=true", b"");
        (answer["incidents"].as_array()?.len() == 1).then_some(())
    });
    let listed =
        door.run(&["alert", "list", "--severity", "critical", "--since", "1h", "--match", "team=db"]);
    assert!(listed.contains(&told[4]) && !listed.contains(&told[3]), "{listed}");
    assert!(door.run(&["alert", "show", &told[3]]).contains("team=db"));
    assert!(door.run(&["incident", "list", "--service", "nobody"]).contains("no incidents"));
}

#[test]
fn why_says_in_one_sentence_whether_it_paged() {
    let hook = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/hook", hook.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in hook.incoming().flatten() {
            answer(stream);
        }
    });
    let door = Door::open(&format!(
        "[route]\nreceiver = \"ops\"\ngroup_by = [\"service\"]\ngroup_wait_s = 0.0\ngroup_interval_s = 0.5\n[[receiver]]\nname = \"ops\"\n\
         [[receiver.webhook]]\nurl = \"{url}\"\n"
    ));
    let paged = door.tell(&alert("pay", "it is slow", "critical"));
    wait_for("the page", || door.run(&["why", &paged]).contains("Paged ops at").then_some(()));
    let why = door.run(&["why", &paged]);
    for word in [
        "first notification of the group",
        "received",
        "by the label service",
        "routed",
        "opened",
        "delivered",
    ] {
        assert!(why.contains(word), "{word}: {why}");
    }
    door.run(&[
        "maintenance",
        "add",
        "--service",
        "shop",
        "--for",
        "1h",
        "--reason",
        "a new disk",
        "--by",
        "ann",
    ]);
    let quiet = door.tell(&alert("shop", "it is slow", "critical"));
    // That it is not told, and that it opens nothing, go on record one after the other.
    let why = wait_for("the reasons", || {
        let why = door.run(&["why", &quiet]);
        (why.contains("Did not page: in maintenance") && why.contains("suppressed")).then_some(why)
    });
    assert!(why.contains("a new disk") && why.contains("ann"), "{why}");
    assert_eq!(door.ids("status=suppressed"), std::slice::from_ref(&quiet));
    let (_, listed) = door.ask("GET", "/api/v1/maintenance", b"");
    let id = listed["maintenance"][0]["id"].as_str().expect("an id").to_owned();
    assert!(door.run(&["maintenance", "list"]).contains("a new disk"));
    assert_eq!(door.ask("GET", &format!("/api/v2/silence/{id}"), b"").1["createdBy"], "ann");
    door.run(&["maintenance", "end", &id]);
    wait_for("the page after all", || door.run(&["why", &quiet]).contains("Paged ops at").then_some(()));
}

/// Takes one request and answers 200.
fn answer(mut stream: TcpStream) {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count) = stream.read(&mut buffer) {
        seen.extend_from_slice(&buffer[..count]);
        let text = text(&seen);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if count == 0 || body.len() >= length.unwrap_or(0) {
            break;
        }
    }
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

#[test]
fn what_cannot_be_read_is_refused_with_the_letter_that_keeps_it() {
    let door = Door::open("");
    let (status, refused) = door.ask("POST", "/api/v1/ingest/generic", b"{\"service\": \"pay");
    assert_eq!(status, 400, "{refused}");
    let id = refused["dead_letter"].as_str().expect("a letter").to_owned();
    assert!(refused["error"].as_str().is_some_and(|error| error.contains(&id)), "{refused}");
    let body = json!({ "version": "4", "alerts": [
        { "status": "firing", "labels": { "alertname": "Slow" } }, { "status": "firing", "labels": {} },
    ] });
    let (_, partly) = door.ask("POST", "/api/v1/ingest/alertmanager", body.to_string().as_bytes());
    assert!(partly["accepted"][0].is_string() && partly["dead_letter"].is_string(), "{partly}");
    let (status, old) = door.ask("POST", "/api/v2/alerts", b"[{\"labels\": 7}]");
    assert_eq!(status, 400, "{old}");
    let (_, letters) = door.ask("GET", "/api/v1/dead-letters", b"");
    assert_eq!(letters["dead_letters"].as_array().map(Vec::len), Some(3));
    assert!(door.run(&["dlq", "list"]).contains(&id));
    assert!(door.run(&["dlq", "show", &id]).contains("{\"service\": \"pay"));
    let (status, again) = door.ask("POST", &format!("/api/v1/dead-letters/{id}/retry"), b"");
    assert_eq!(status, 400, "{again}");
    assert_eq!(door.ask("POST", "/api/v1/dead-letters/dlq-none/retry", b"").0, 404);
}

/// A configuration with everything that can be configured beside the watch, and none of it answers.
fn everything_is_down(dir: &std::path::Path) -> String {
    let down = format!("http://127.0.0.1:{}", free_port());
    let secret = |name: &str, text: &str| {
        std::fs::write(dir.join(name), text).expect("written");
        format!("{{ file = {:?} }}", dir.join(name))
    };
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{ "name": "k", "cluster": { "server": down } }], "users": [{ "name": "u", "user": {} }],
        "contexts": [{ "name": "c", "context": { "cluster": "k", "user": "u" } }],
    });
    std::fs::write(dir.join("kubeconfig"), kubeconfig.to_string()).expect("written");
    std::fs::write(dir.join("aws"), "[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
        .expect("written");
    let (token, key) = (
        secret("token", "ghp_not-a-real-token-at-all"),
        secret("whsec", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    );
    format!(
        "mode = \"auto\"\ndry_run = false\n[incident]\ninconclusive_after_s = 1.0\n[runbooks]\nenabled = [\"crash-loop\"]\n\
         [telemetry]\nkind = \"prometheus\"\nurl = {down:?}\npoll_interval_s = 0.2\nrate_window_s = 1.0\ntimeout_s = 0.2\n\
         [logs]\ndir = {:?}\n[kubernetes]\nkubeconfig = {:?}\nnamespaces = [\"shop\"]\n\
         [aws]\nregion = \"eu-west-1\"\nendpoint = {down:?}\ncredentials_file = {:?}\nalarms_poll_s = 1.0\n\
         [pull_requests]\ntoken = {token}\nrepository = \"example/shop\"\nurl = {down:?}\n\
         [control_plane]\ncall_timeout_s = 2.0\n\
         [[actuator]]\nname = \"hook\"\nservices = [\"cart\"]\nwebhook = {{ url = {down:?}, secret = {key}, actions = [\"restart\"], timeout_s = 1.0 }}\n\
         [llm]\nprovider = \"openai\"\nmodel = \"m\"\nurl = {down:?}\nkey_file = {:?}\n\
         [route]\nreceiver = \"ops\"\n[[receiver]]\nname = \"ops\"\nwebhook = [{{ url = {down:?} }}]\n\
         slack = [{{ token = {token}, channel = \"C0123456789\", url = {down:?} }}]\n\
         email = [{{ host = \"127.0.0.1\", port = 9, security = \"none\", from = \"a@b.example\", on_call = [\"c@d.example\"] }}]\n\
         [[service]]\nname = \"payment\"\nplatform = \"kubernetes\"\nworkload = \"payment\"\nhealth = \"{down}/health\"\n\
         [[service]]\nname = \"cart\"\nplatform = \"lambda\"\ndepends_on = [\"payment\"]\n",
        dir,
        dir.join("kubeconfig"),
        dir.join("aws"),
        dir.join("token"),
    )
}

#[test]
fn the_watch_goes_on_where_everything_is_configured_and_nothing_answers() {
    let surroundings = tempfile::tempdir().expect("a folder");
    let door = Door::open(&everything_is_down(surroundings.path()));
    let started = jiff::Timestamp::now().to_string();
    door.tell(&json!({
        "id": "a", "service": "payment", "title": "payments fail", "severity": "critical", "starts_at": started,
    }));
    let handed_over = || {
        let (_, answer) = door.ask("GET", "/api/v1/incidents", b"");
        (answer["incidents"][0]["state"] == "escalated").then_some(())
    };
    wait_for("a person has it", handed_over);
    let ticks = |door: &Door| door.ask("GET", "/health", b"").1["tick"].as_u64().unwrap_or(0);
    let before = ticks(&door);
    wait_for("twenty more ticks", || (ticks(&door) > before + 20).then_some(()));
    let (_, health) = door.ask("GET", "/health", b"");
    assert_eq!((&health["status"], &health["last_error"]), (&json!("stale"), &Value::Null), "{health}");
}
