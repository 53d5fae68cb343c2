//! The same configurations, alerts and silences given to a real Alertmanager and to midwatch: the same receivers must
//! hear of the same alerts in the same groups, and the API must show the same.
//!
//! A case is one alert under one random configuration. `MIDWATCH_TEST_CASES` sets how many are tried, `MIDWATCH_TEST_SEED`
//! the first configuration.

use crate::night::one_lab;
use crate::post::{Http, Server};
use crate::scene::{Alerts, Scene};
use crate::sink::{Heard, Sink};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Alerts of one configuration.
pub const ALERTS: usize = 100;

/// How long nothing more may be heard until a phase counts as over: more than the group interval of the scenes.
const QUIET: Duration = Duration::from_millis(2600);

/// What receivers know after a phase: by receiver and group, each alert's last status.
type Known = BTreeMap<(String, String), BTreeMap<String, String>>;

/// One of the two, and what it did.
struct Side {
    server: Server,
    name: &'static str,
    silences: Vec<Option<String>>,
}

impl Side {
    fn post(&self, http: &Http, path: &str, body: &Value) -> (u16, Value) {
        http.post(&format!("{}{path}", self.server.url), body).expect("an answer")
    }

    fn alerts(&self, http: &Http, alerts: &Alerts) {
        let (status, said) = self.post(http, "/api/v2/alerts", &alerts.body());
        assert_eq!(status, 200, "{}: {said}", self.name);
    }

    fn silence(&mut self, http: &Http, silence: &Value) -> bool {
        let (status, said) = self.post(http, "/api/v2/silences", silence);
        self.silences.push(said["silenceID"].as_str().map(str::to_owned));
        status == 200
    }

    fn end_silence(&self, http: &Http, number: usize) {
        if let Some(Some(id)) = self.silences.get(number) {
            http.ask(reqwest::Method::DELETE, &format!("{}/api/v2/silence/{id}", self.server.url), None);
        }
    }

    fn get(&self, http: &Http, path: &str) -> Vec<Value> {
        let url = format!("{}{path}", self.server.url);
        match http.ask(reqwest::Method::GET, &url, None).expect("an answer") {
            (200, answer) => answer.as_array().cloned().unwrap_or_default(),
            (status, _) => vec![json!({ "labels": format!("answered {status}") })],
        }
    }

    /// What the API shows of alerts, as far as both must agree.
    fn shown(&self, http: &Http, query: &str) -> BTreeSet<String> {
        let one = |alert: &Value| {
            let status = &alert["status"];
            let count = |list: &Value| list.as_array().map_or(0, Vec::len);
            json!([
                alert["labels"],
                status["state"],
                count(&status["silencedBy"]),
                count(&status["inhibitedBy"]) > 0,
                alert["receivers"],
                alert["fingerprint"],
            ])
            .to_string()
        };
        self.get(http, &format!("/api/v2/alerts{query}")).iter().map(one).collect()
    }

    /// The alerts that it says are inhibited now. It learns of an alert of a request one after the other and beside telling:
    /// what it told of one of these was told too early.
    fn inhibited(&self, http: &Http) -> BTreeSet<String> {
        let alerts = self.get(http, "/api/v2/alerts");
        let is = |alert: &&Value| alert["status"]["inhibitedBy"].as_array().is_some_and(|by| !by.is_empty());
        alerts
            .iter()
            .filter(is)
            .filter_map(|alert| alert["fingerprint"].as_str().map(str::to_owned))
            .collect()
    }

    fn groups(&self, http: &Http, query: &str) -> BTreeSet<String> {
        let one = |group: &Value| {
            let mut alerts: Vec<&Value> =
                group["alerts"].as_array().into_iter().flatten().map(|a| &a["fingerprint"]).collect();
            alerts.sort_by_key(|fingerprint| fingerprint.to_string());
            json!([group["labels"], group["receiver"], alerts]).to_string()
        };
        self.get(http, &format!("/api/v2/alerts/groups{query}")).iter().map(one).collect()
    }
}

/// Sorts what was heard by who said it.
fn known(heard: &[Heard], side: &str) -> Known {
    let mut known = Known::new();
    for Heard { path, message, .. } in heard {
        let Some(receiver) = path.strip_prefix(side).and_then(|rest| rest.strip_prefix('/')) else {
            continue;
        };
        let key = message["groupKey"].as_str().unwrap_or_default().to_owned();
        let group = known.entry((receiver.to_owned(), key)).or_default();
        for alert in message["alerts"].as_array().into_iter().flatten() {
            let text = |field: &str| alert[field].as_str().unwrap_or_default().to_owned();
            group.insert(text("fingerprint"), text("status"));
        }
    }
    known
}

/// Waits until nobody has said anything for a while.
fn hear_out(sink: &Sink) -> Vec<Heard> {
    let mut heard = sink.take();
    let mut quiet_since = Instant::now();
    while quiet_since.elapsed() < QUIET {
        std::thread::sleep(Duration::from_millis(50));
        let more = sink.take();
        if !more.is_empty() {
            quiet_since = Instant::now();
            heard.extend(more);
        }
    }
    heard
}

/// Differences of two maps or sets, in words.
fn differ<T: Ord + std::fmt::Debug>(
    what: &str,
    theirs: &BTreeSet<T>,
    ours: &BTreeSet<T>,
    found: &mut Vec<String>,
) {
    let only_theirs = theirs.difference(ours).map(|one| format!("{what}: only Alertmanager has {one:?}"));
    found.extend(
        only_theirs.chain(ours.difference(theirs).map(|one| format!("{what}: only midwatch has {one:?}"))),
    );
}

fn flat(known: &Known) -> BTreeSet<Told> {
    let pairs = known.iter().flat_map(|((receiver, group), alerts)| {
        alerts
            .iter()
            .map(move |(alert, status)| (receiver.clone(), group.clone(), alert.clone(), status.clone()))
    });
    pairs.collect()
}

/// Who was told of which alert in which group, and how it stood.
type Told = (String, String, String, String);

/// What both did under one configuration.
#[derive(Default)]
struct Run {
    /// By phase: what Alertmanager told, apart from what it told too early, and what midwatch told.
    told: Vec<[BTreeSet<Told>; 2]>,
    /// Other differences.
    others: Vec<String>,
}

impl Run {
    /// What only one side told, and in which phase.
    fn told_by_one(&self) -> impl Iterator<Item = (usize, &Told)> {
        self.told.iter().enumerate().flat_map(|(phase, [theirs, ours])| {
            theirs.symmetric_difference(ours).map(move |told| (phase, told))
        })
    }

    fn has_differences(&self) -> bool {
        !self.others.is_empty() || self.told_by_one().next().is_some()
    }
}

/// Further runs of a configuration that shows a difference.
const AGAIN: usize = 5;

/// What differs under one configuration. Alertmanager takes the alerts of a request one after the other and looks at groups
/// meanwhile, so that it does not always tell the same. What it tells as midwatch does in another run, while midwatch told
/// the same in all of them, is printed and is no difference.
fn differences(seed: u64, sink: &Sink) -> Vec<String> {
    let first = run(seed, sink);
    let mut found = first.others.clone();
    if !first.has_differences() {
        return found;
    }
    let more: Vec<Run> = (0..AGAIN).map(|_| run(seed, sink)).collect();
    for (phase, told) in first.told_by_one() {
        let ours = first.told[phase][1].contains(told);
        let steady = more.iter().all(|run| run.told[phase][1].contains(told) == ours);
        let agreed = more.iter().filter(|run| run.told[phase][0].contains(told) == ours).count();
        let side = if ours { "midwatch" } else { "Alertmanager" };
        if steady && agreed > 0 {
            println!(
                "seed {seed}: only {side} told {told:?}; in {agreed} of {AGAIN} more runs Alertmanager did as midwatch always does"
            );
        } else {
            found.push(format!("phase {phase}, told: only {side} has {told:?}"));
        }
    }
    if !found.is_empty() {
        eprintln!("configuration of seed {seed}:\n{}", Scene::random(seed, ALERTS).alertmanager("URL"));
    }
    found
}

/// Runs one configuration on both.
fn run(seed: u64, sink: &Sink) -> Run {
    // One for each configuration: a port may come back with another server behind it.
    let http = &Http::new();
    let scene = Scene::random(seed, ALERTS);
    let dir = tempfile::tempdir().expect("a folder");
    let mut sides = [
        Side {
            server: Server::alertmanager(dir.path(), &scene.alertmanager(&format!("{}/theirs", sink.url))),
            name: "theirs",
            silences: Vec::new(),
        },
        Side {
            server: Server::midwatch(dir.path(), &scene.midwatch(&format!("{}/ours", sink.url))),
            name: "ours",
            silences: Vec::new(),
        },
    ];
    let mut run = Run::default();
    for side in &mut sides {
        side.server.start(http);
    }
    for silence in &scene.silences {
        let taken: Vec<bool> = sides.iter_mut().map(|side| side.silence(http, silence)).collect();
        if taken[0] != taken[1] {
            run.others.push(format!("silence {silence}: taken {taken:?}"));
        }
    }
    for (number, phase) in scene.phases.iter().enumerate() {
        sink.take();
        if let Some(silence) = phase.ended_silence {
            sides.iter().for_each(|side| side.end_silence(http, silence));
        }
        sides.iter().for_each(|side| side.alerts(http, &phase.alerts));
        let heard = hear_out(sink);
        let (mut theirs, ours) = (flat(&known(&heard, "theirs")), flat(&known(&heard, "ours")));
        let too_early = sides[0].inhibited(http);
        theirs.retain(|told| {
            let raced = !ours.contains(told) && told.3 == "firing" && too_early.contains(&told.2);
            if raced {
                println!("seed {seed}: Alertmanager told of {} before it heard of what inhibits it", told.2);
            }
            !raced
        });
        run.told.push([theirs, ours]);
        for query in &scene.queries {
            let (theirs, ours) = (sides[0].shown(http, query), sides[1].shown(http, query));
            differ(&format!("phase {number}, alerts{query}"), &theirs, &ours, &mut run.others);
            let (theirs, ours) = (sides[0].groups(http, query), sides[1].groups(http, query));
            differ(&format!("phase {number}, groups{query}"), &theirs, &ours, &mut run.others);
        }
    }
    run
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn a_real_alertmanager_tells_the_same_receivers_of_the_same_alerts_in_the_same_groups() {
    let (cases, first) = (number("MIDWATCH_TEST_CASES", 500), number("MIDWATCH_TEST_SEED", 1));
    let configurations = cases.div_ceil(ALERTS as u64);
    // Beside a lab, Alertmanager may tell of an alert before it has heard of what inhibits it.
    let _alone = one_lab();
    let sink = Sink::open();
    let mut all = Vec::new();
    for seed in first..first + configurations {
        let found = differences(seed, &sink);
        all.extend(found.into_iter().map(|difference| format!("seed {seed}, {difference}")));
    }
    println!(
        "{} cases in {configurations} configurations, {} differences",
        configurations * ALERTS as u64,
        all.len()
    );
    assert!(all.is_empty(), "{}", all.join("\n"));
}
