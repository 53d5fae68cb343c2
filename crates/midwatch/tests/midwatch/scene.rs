//! Random configurations, alerts and silences, written for Alertmanager and for midwatch.

use jiff::{Timestamp, ToSpan as _};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const NAMES: [&str; 6] = ["alertname", "severity", "team", "service", "env", "n"];
const VALUES: [&str; 5] = ["a", "b", "c", "ab", ""];
const EXPRESSIONS: [&str; 9] = ["a", "a|b", ".*", "a.*", ".+", "[bc]", "(a|c)b?", "", "^a$"];
const OPERATORS: [&str; 4] = ["=", "!=", "=~", "!~"];
const RECEIVERS: [&str; 4] = ["r0", "r1", "r2", "r3"];
const INTERVALS: [&str; 4] = ["t0", "t1", "t2", "t3"];

/// Waits of every route, seconds: short, so that a test does not take all night; long enough that Alertmanager has heard of
/// everything that inhibits before it tells (it learns of it beside, not before).
const GROUP_WAIT_S: f64 = 1.2;
const GROUP_INTERVAL_S: f64 = 1.5;

/// A route with its matchers as text.
struct Route {
    receiver: Option<&'static str>,
    matchers: Vec<String>,
    group_by: Option<Vec<&'static str>>,
    goes_on: bool,
    mute: Vec<&'static str>,
    active: Vec<&'static str>,
    routes: Vec<Route>,
}

struct InhibitRule {
    source: Vec<String>,
    target: Vec<String>,
    equal: Vec<&'static str>,
}

/// Alerts that are sent at once.
pub struct Alerts(Vec<Value>);

impl Alerts {
    pub fn body(&self) -> Value {
        Value::Array(self.0.clone())
    }
}

pub struct Phase {
    pub alerts: Alerts,
    /// Number of a silence that is ended before.
    pub ended_silence: Option<usize>,
}

/// Everything that both are given.
pub struct Scene {
    route: Route,
    rules: Vec<InhibitRule>,
    /// Lists of intervals by the order of their names.
    intervals: Vec<Vec<Value>>,
    pub silences: Vec<Value>,
    pub phases: Vec<Phase>,
    /// Queries for the API.
    pub queries: Vec<String>,
}

struct Dice {
    rng: StdRng,
    now: Timestamp,
    /// Whether alerts may have begun long ago. They are told at once, and Alertmanager may then not have heard yet of
    /// what inhibits them, so not where there are inhibition rules.
    may_be_old: bool,
}

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.rng.random_range(0..n)
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn some<T: Copy>(&mut self, of: &[T], percent: usize) -> Vec<T> {
        of.iter().copied().filter(|_| self.chance(percent)).collect()
    }

    fn matcher(&mut self) -> (&'static str, &'static str, &'static str) {
        let (name, operator) = (self.one(&NAMES), self.one(&OPERATORS));
        let value = if operator.ends_with('~') { self.one(&EXPRESSIONS) } else { self.one(&VALUES) };
        (name, operator, value)
    }

    fn matchers(&mut self, most: usize) -> Vec<String> {
        let count = 1 + self.below(most);
        (0..count).map(|_| self.matcher()).map(|(n, o, v)| format!("{n}{o}{v:?}")).collect()
    }

    fn route(&mut self, depth: usize) -> Route {
        let mut routes: Vec<Route> = Vec::new();
        for _ in 0..self.below(4 - depth) {
            let route = self.route(depth + 1);
            // Alertmanager keeps one log for two routes of the same matchers, so that one of them stays quiet.
            if routes.iter().all(|other| sorted(&other.matchers) != sorted(&route.matchers)) {
                routes.push(route);
            }
        }
        let below = depth > 0;
        Route {
            receiver: (!below || self.chance(70)).then(|| self.one(&RECEIVERS)),
            matchers: if below { self.matchers(2) } else { Vec::new() },
            group_by: self
                .chance(70)
                .then(|| if self.chance(20) { vec!["..."] } else { self.some(&NAMES, 35) }),
            goes_on: below && self.chance(40),
            mute: if below && self.chance(25) { self.some(&INTERVALS, 40) } else { Vec::new() },
            active: if below && self.chance(25) { self.some(&INTERVALS, 40) } else { Vec::new() },
            routes,
        }
    }

    fn interval(&mut self) -> Value {
        let now = self.now.to_zoned(jiff::tz::TimeZone::UTC);
        let mut interval = serde_json::Map::new();
        if self.chance(50) {
            let minute = i64::from(now.hour()) * 60 + i64::from(now.minute());
            // Far enough from the present that the test does not run into it.
            let edges: Vec<i64> =
                (0..=24).map(|h| h * 60).filter(|edge| (edge - minute).abs() > 15).collect();
            let (a, b) = (self.one(&edges), self.one(&edges));
            let time = |m: i64| format!("{:02}:{:02}", m / 60, m % 60);
            if a != b {
                interval.insert(
                    "times".into(),
                    json!([{ "start_time": time(a.min(b)), "end_time": time(a.max(b)) }]),
                );
            }
        }
        if self.chance(40) {
            let days = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
            let (a, b) = (self.below(7), self.below(7));
            interval.insert("weekdays".into(), json!([format!("{}:{}", days[a.min(b)], days[a.max(b)])]));
        }
        if self.chance(30) {
            let day = 1 + self.below(28);
            let range = match self.below(3) {
                0 => format!("{day}:{}", day + 3),
                1 => format!("-{}:-1", 1 + self.below(15)),
                _ => format!("1:{day}"),
            };
            interval.insert("days_of_month".into(), json!([range]));
        }
        if self.chance(30) {
            let (a, b) = (1 + self.below(12), 1 + self.below(12));
            interval.insert("months".into(), json!([format!("{}:{}", a.min(b), a.max(b))]));
        }
        if self.chance(20) {
            interval.insert(
                "years".into(),
                json!([format!("{}:{}", now.year() - 1, i64::from(now.year()) + self.below(2) as i64 - 1)]),
            );
        }
        Value::Object(interval)
    }

    fn silence(&mut self) -> Value {
        let matchers: Vec<Value> = (0..1 + self.below(2))
            .map(|_| self.matcher())
            .map(|(name, operator, value)| {
                json!({ "name": name, "value": value, "isRegex": operator.ends_with('~'),
                    "isEqual": !operator.starts_with('!') })
            })
            .collect();
        let starts = self.now + if self.chance(25) { 60.minutes() } else { -(5.minutes()) };
        let ends = self.now + if self.chance(10) { -(1.minutes()) } else { 120.minutes() };
        json!({ "matchers": matchers, "startsAt": starts.to_string(), "endsAt": ends.to_string(),
            "createdBy": "dice", "comment": "random" })
    }

    fn labels(&mut self) -> Value {
        let mut labels = serde_json::Map::new();
        for name in NAMES {
            let value =
                if name == "n" { self.one(&["0", "1", "2", "3", "4", "5"]) } else { self.one(&VALUES) };
            labels.insert(name.into(), value.into());
        }
        Value::Object(labels)
    }

    fn alert(&mut self, labels: Value) -> Value {
        let mut alert = json!({ "labels": labels, "annotations": { "summary": "rolled" } });
        if self.chance(20) && self.may_be_old {
            alert["startsAt"] = (self.now - 60.minutes()).to_string().into();
            alert["endsAt"] = (self.now + 60.minutes()).to_string().into();
        }
        if self.chance(10) && self.may_be_old {
            alert["startsAt"] = (self.now - 60.minutes()).to_string().into();
            alert["endsAt"] = (self.now - 1.minutes()).to_string().into();
        }
        alert
    }

    fn query(&mut self) -> String {
        let mut parts = Vec::new();
        if self.chance(70) {
            let (name, operator, value) = self.matcher();
            let text = format!("{name}{operator}{value:?}");
            parts.push(format!("filter={}", percent(&text)));
        }
        for flag in ["active", "silenced", "inhibited"] {
            if self.chance(30) {
                parts.push(format!("{flag}=false"));
            }
        }
        if self.chance(30) {
            parts.push(format!("receiver={}", percent(self.one(&["r0", "r[12]", "r.*", "none"]))));
        }
        format!("?{}", parts.join("&"))
    }
}

fn sorted(list: &[String]) -> BTreeSet<&String> {
    list.iter().collect()
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

impl Scene {
    /// The scene of a seed. Times are around the present.
    pub fn random(seed: u64, alerts: usize) -> Self {
        let mut dice = Dice { rng: StdRng::seed_from_u64(seed), now: Timestamp::now(), may_be_old: true };
        let route = dice.route(0);
        let rules: Vec<_> = (0..dice.below(4))
            .map(|_| InhibitRule {
                source: dice.matchers(2),
                target: dice.matchers(2),
                equal: dice.some(&NAMES, 30),
            })
            .collect();
        let intervals =
            INTERVALS.iter().map(|_| (0..1 + dice.below(2)).map(|_| dice.interval()).collect()).collect();
        let silences: Vec<Value> = (0..dice.below(5)).map(|_| dice.silence()).collect();
        let queries = (0..3).map(|_| dice.query()).chain(std::iter::once(String::new())).collect();
        let phases = Self::phases(&mut dice, alerts, silences.len());
        Self { route, rules, intervals, silences, phases, queries }
    }

    /// First most alerts; then some of them end, some are told again and the rest comes.
    fn phases(dice: &mut Dice, count: usize, silences: usize) -> Vec<Phase> {
        let mut seen = BTreeSet::new();
        while seen.len() < count {
            let labels = dice.labels();
            // One label at least is needed for an alert.
            if labels.as_object().is_some_and(|all| all.values().any(|value| value != "")) {
                seen.insert(labels.to_string());
            }
        }
        let labels: Vec<Value> = seen.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
        let (early, late) = labels.split_at(count * 4 / 5);
        let first: Vec<Value> = early.iter().map(|labels| dice.alert(labels.clone())).collect();
        let mut second: Vec<Value> = late.iter().map(|labels| dice.alert(labels.clone())).collect();
        for alert in &first {
            if dice.chance(25) {
                second
                    .push(json!({ "labels": alert["labels"], "endsAt": (dice.now - 1.seconds()).to_string(),
                    "startsAt": (dice.now - 2.minutes()).to_string() }));
            } else if dice.chance(20) {
                second.push(alert.clone());
            }
        }
        let ended_silence = (silences > 0 && dice.chance(50)).then(|| dice.below(silences));
        vec![
            Phase { alerts: Alerts(first), ended_silence: None },
            Phase { alerts: Alerts(second), ended_silence },
        ]
    }

    /// The configuration of an Alertmanager whose receivers are at `url`.
    pub fn alertmanager(&self, url: &str) -> Value {
        let receiver = |name: &&str| {
            let hook = json!({ "url": format!("{url}/{name}"), "send_resolved": *name != "r3" });
            json!({ "name": name, "webhook_configs": [hook] })
        };
        let interval = |(name, list): (&&str, &Vec<Value>)| json!({ "name": name, "time_intervals": list });
        let rule = |rule: &InhibitRule| json!({ "source_matchers": rule.source, "target_matchers": rule.target, "equal": rule.equal });
        let mut route = route(&self.route);
        route["group_wait"] = format!("{}ms", GROUP_WAIT_S * 1000.0).into();
        route["group_interval"] = format!("{}ms", GROUP_INTERVAL_S * 1000.0).into();
        route["repeat_interval"] = "1h".into();
        json!({
            "route": route,
            "receivers": RECEIVERS.iter().map(receiver).collect::<Vec<_>>(),
            "time_intervals": INTERVALS.iter().zip(&self.intervals).map(interval).collect::<Vec<_>>(),
            "inhibit_rules": self.rules.iter().map(rule).collect::<Vec<_>>(),
        })
    }

    /// The same for midwatch.
    pub fn midwatch(&self, url: &str) -> String {
        let receiver = |name: &&str| {
            let hook = json!({ "url": format!("{url}/{name}"), "send_resolved": *name != "r3" });
            json!({ "name": name, "webhook": [hook] })
        };
        let interval = |(name, list): (&&str, &Vec<Value>)| json!({ "name": name, "time_intervals": list });
        let rule = |rule: &InhibitRule| json!({ "source_matchers": rule.source, "target_matchers": rule.target, "equal": rule.equal });
        let mut route = route(&self.route);
        route["group_wait_s"] = GROUP_WAIT_S.into();
        route["group_interval_s"] = GROUP_INTERVAL_S.into();
        route["repeat_interval_s"] = 3600.0.into();
        route["cooldown_s"] = 0.0.into();
        let all = json!({
            // Alertmanager knows nothing of incidents.
            "routing": { "incidents": "off" },
            "route": route,
            "receiver": RECEIVERS.iter().map(receiver).collect::<Vec<_>>(),
            "time_interval": INTERVALS.iter().zip(&self.intervals).map(interval).collect::<Vec<_>>(),
            "inhibit_rule": self.rules.iter().map(rule).collect::<Vec<_>>(),
        });
        toml::to_string(&all).expect("TOML")
    }
}

/// A route as both write it; what is not said is left out.
fn route(route: &Route) -> Value {
    let mut written = json!({ "continue": route.goes_on, "routes": route.routes.iter().map(self::route).collect::<Vec<_>>() });
    let given = |list: &[&str]| (!list.is_empty()).then(|| json!(list));
    let fields = [
        ("receiver", route.receiver.map(Value::from)),
        ("matchers", (!route.matchers.is_empty()).then(|| json!(route.matchers))),
        ("group_by", route.group_by.as_ref().map(|list| json!(list))),
        ("mute_time_intervals", given(&route.mute)),
        ("active_time_intervals", given(&route.active)),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            written[name] = value;
        }
    }
    written
}
