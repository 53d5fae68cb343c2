//! What the Alertmanager of today can and the one beside us cannot: label names of any UTF-8, and alerts that say which time
//! intervals mute them.

use crate::night::wait_for;
use crate::post::{Http, Server};
use crate::sink::Sink;
use serde_json::{Value, json};

const CONFIG: &str = r#"
[routing]
incidents = "off"
[route]
receiver = "team"
group_by = ["größe.of"]
group_wait_s = 0.2
cooldown_s = 0.0
[[route.routes]]
receiver = "night"
matchers = ['"k8s/app name"="shop 🛒"']
mute_time_intervals = ["always"]
[[receiver]]
name = "team"
webhook = [{ url = "SINK/team" }]
[[receiver]]
name = "night"
webhook = [{ url = "SINK/night" }]
[[time_interval]]
name = "always"
time_intervals = [{ times = [{ start_time = "00:00", end_time = "24:00" }] }]
[[inhibit_rule]]
source_matchers = ['"größe.of"="huge"']
target_matchers = ['"größe.of"="small"']
equal = ["k8s/app name"]
"#;

struct Watch {
    http: Http,
    server: Server,
    sink: Sink,
    _dir: tempfile::TempDir,
}

impl Watch {
    fn start() -> Self {
        let (http, sink) = (Http::new(), Sink::open());
        let dir = tempfile::tempdir().expect("a folder");
        let mut server = Server::midwatch(dir.path(), &CONFIG.replace("SINK", &sink.url));
        server.start(&http);
        Self { http, server, sink, _dir: dir }
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.http.post(&format!("{}{path}", self.server.url), body).expect("an answer")
    }

    fn get(&self, path: &str) -> Vec<Value> {
        let answer = self.http.get(&format!("{}{path}", self.server.url)).expect("an answer");
        answer.as_array().cloned().unwrap_or_else(|| panic!("{path}: {answer}"))
    }

    /// Names of the alerts that `filter` finds.
    fn found(&self, filter: &str) -> Vec<String> {
        let query = reqwest::Url::parse_with_params("http://x/", [("filter", filter)]).expect("a URL");
        let alerts = self.get(&format!("/api/v2/alerts?{}", query.query().unwrap_or_default()));
        let mut names: Vec<String> = alerts.iter().map(|alert| text(&alert["labels"]["alertname"])).collect();
        names.sort();
        names
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn alerts() -> Value {
    json!([
        { "labels": { "alertname": "Big", "größe.of": "huge", "k8s/app name": "till" } },
        { "labels": { "alertname": "Small", "größe.of": "small", "k8s/app name": "till" } },
        { "labels": { "alertname": "Muted", "größe.of": "middle", "k8s/app name": "shop 🛒" } },
    ])
}

#[test]
fn label_names_of_any_utf8_are_taken_matched_silenced_grouped_and_inhibited() {
    let watch = Watch::start();
    assert_eq!(watch.post("/api/v2/alerts", &alerts()).0, 200);
    for (filter, expected) in [
        (r#""k8s/app name"="till""#, &["Big", "Small"][..]),
        (r#""größe.of"=~"hu.*""#, &["Big"]),
        (r#"größe.of="huge""#, &["Big"]),
        (r#""k8s/app name"!="till""#, &["Muted"]),
        (r#""no such label"="""#, &["Big", "Muted", "Small"]),
    ] {
        assert_eq!(watch.found(filter), expected, "{filter}");
    }
    let small = watch.get("/api/v2/alerts").into_iter().find(|alert| alert["labels"]["alertname"] == "Small");
    assert_eq!(small.expect("an alert")["status"]["inhibitedBy"].as_array().map(Vec::len), Some(1));

    let heard = wait_for("a message", || Some(watch.sink.heard()).filter(|heard| !heard.is_empty()));
    assert_eq!(heard[0].message["groupLabels"], json!({ "größe.of": "huge" }), "{}", heard[0].message);

    let silence = json!({
        "matchers": [{ "name": "größe.of", "value": "hu.*", "isRegex": true, "isEqual": true }],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z", "createdBy": "ana", "comment": "known",
    });
    let (status, answer) = watch.post("/api/v2/silences", &silence);
    assert_eq!(status, 200, "{answer}");
    let big = watch.get("/api/v2/alerts").into_iter().find(|alert| alert["labels"]["alertname"] == "Big");
    assert_eq!(big.expect("an alert")["status"]["silencedBy"], json!([answer["silenceID"]]));

    let (status, answer) = watch.post("/api/v2/alerts", &json!([{ "labels": { "": "nameless" } }]));
    assert_eq!(status, 400, "{answer}");
}

#[test]
fn groups_say_which_time_intervals_mute_their_alerts_and_nobody_is_told() {
    let watch = Watch::start();
    assert_eq!(watch.post("/api/v2/alerts", &alerts()).0, 200);
    let muted = |query: &str| -> Vec<(String, Value, String)> {
        let groups = watch.get(&format!("/api/v2/alerts/groups{query}"));
        let of = |group: &Value| {
            let status = &group["alerts"][0]["status"];
            (text(&group["receiver"]["name"]), status["mutedBy"].clone(), text(&status["state"]))
        };
        groups.iter().map(of).filter(|(receiver, ..)| receiver == "night").collect()
    };
    assert_eq!(muted(""), [("night".into(), json!(["always"]), "suppressed".into())]);
    assert_eq!(muted("?muted=true").len(), 1);
    assert_eq!(muted("?muted=false"), []);
    // An alert may be in several groups, so that a list of alerts names no intervals.
    let listed =
        watch.get("/api/v2/alerts").into_iter().find(|alert| alert["labels"]["alertname"] == "Muted");
    let status = listed.expect("an alert")["status"].clone();
    assert_eq!((status["mutedBy"].clone(), text(&status["state"])), (json!([]), "active".into()));

    wait_for("a message", || Some(watch.sink.heard()).filter(|heard| !heard.is_empty()));
    // The other group has been told, and the muted one was due at the same moment.
    let of_muted = |id: &str| {
        let url = format!("{}/api/v1/alerts/{id}/lineage", watch.server.url);
        let lineage = watch.http.get(&url).unwrap_or_default().to_string();
        lineage.contains("always").then_some(lineage)
    };
    let id = watch.http.get(&format!("{}/api/v1/alerts?match=alertname=Muted", watch.server.url));
    let id = text(&id.expect("an answer")["alerts"][0]["id"]);
    wait_for("the reason on record", || of_muted(&id));
    let paths: Vec<String> = watch.sink.heard().into_iter().map(|heard| heard.path).collect();
    assert!(paths.iter().all(|path| path == "team"), "{paths:?}");
}
