//! Prometheus Alertmanager's configuration in our words.

use super::yaml::{self, File, Named, Pairs, Text, texts};
use crate::config::{AlertsConfig, InhibitRuleConfig};
use crate::duration;
use midwatch_connectors::{ReceiverConfig, WebhookConfig};
use midwatch_model::Matcher;
use midwatch_model::label::{MatchOp, parse_matchers};
use midwatch_oncall::{NamedIntervals, RouteConfig, TimeIntervalConfig, TimeRangeConfig};
use serde::Serialize;
use serde_json::Value;

/// A condition that every alert fulfils: what an empty side of an inhibition rule means there.
const EVERY_ALERT: &str = r#"alertname=~".*""#;

/// The parts of our configuration that Alertmanager's speaks of.
#[derive(Serialize)]
pub struct Sections {
    #[serde(skip_serializing_if = "Option::is_none")]
    alerts: Option<AlertsConfig>,
    route: RouteConfig,
    receiver: Vec<ReceiverConfig>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    time_interval: Vec<NamedIntervals>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inhibit_rule: Vec<InhibitRuleConfig>,
}

/// Reads the file `name`. With the sections come notes about what they leave out.
pub fn read(text: &str, name: &str) -> Result<(Sections, Vec<String>), String> {
    let wrong = |error: serde_saphyr::Error| {
        let place = error.location().map(|at| format!(":{}:{}", at.line(), at.column())).unwrap_or_default();
        let said = error.without_snippet().to_string();
        format!("{name}{place}: {}", said.lines().next().unwrap_or_default())
    };
    let file: File = serde_saphyr::from_str(text).map_err(wrong)?;
    let whole: Value = serde_saphyr::from_str(text).map_err(wrong)?;
    let sections = sections(file).map_err(|problems| {
        problems.iter().map(|problem| format!("{name}: {problem}")).collect::<Vec<_>>().join("\n")
    })?;
    let mut notes = left_out(&whole);
    for receiver in sections.receiver.iter().filter(|receiver| receiver.webhooks.is_empty()) {
        notes.push(format!("receiver `{}` tells nobody here; give it a [[receiver.webhook]]", receiver.name));
    }
    Ok((sections, notes))
}

/// What goes on after something that cannot be taken over, so that all of it is told of.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn kept<T>(&mut self, read: Result<T, String>) -> Option<T> {
        read.map_err(|problem| self.0.push(problem)).ok()
    }

    fn seconds(&mut self, place: &str, text: Option<Text>) -> Option<f64> {
        let read = duration::parse_s(&text?.0);
        self.kept(read.map_err(|error| format!("{place}: {error}")))
    }
}

fn sections(file: File) -> Result<Sections, Vec<String>> {
    let mut wrong = Wrong::default();
    let top = file.route.ok_or("there is no `route`, so nobody would be told of anything".to_owned());
    let top = wrong.kept(top).map(|top| route(top, "[route]", &mut wrong)).unwrap_or_default();
    let timeout = wrong.seconds("global.resolve_timeout", file.global.resolve_timeout);
    let intervals = file.mute_time_intervals.into_iter().chain(file.time_intervals);
    let sections = Sections {
        alerts: timeout.map(|resolve_timeout_s| AlertsConfig { resolve_timeout_s }),
        // Alertmanager knows no pause between two notifications about one service.
        route: RouteConfig { cooldown_s: Some(0.0), ..top },
        receiver: file.receivers.into_iter().map(|from| receiver(from, &mut wrong)).collect(),
        time_interval: intervals.map(named).collect(),
        inhibit_rule: file.inhibit_rules.into_iter().enumerate().map(|from| rule(from, &mut wrong)).collect(),
    };
    if wrong.0.is_empty() { Ok(sections) } else { Err(wrong.0) }
}

fn route(from: yaml::Route, place: &str, wrong: &mut Wrong) -> RouteConfig {
    let below = from.routes.into_iter().enumerate();
    RouteConfig {
        receiver: from.receiver.map(|name| name.0),
        matchers: matchers(place, from.equal, from.match_re, from.matchers, wrong),
        group_by: from.group_by.map(texts),
        group_wait_s: wrong.seconds(&format!("{place} group_wait"), from.group_wait),
        group_interval_s: wrong.seconds(&format!("{place} group_interval"), from.group_interval),
        repeat_interval_s: wrong.seconds(&format!("{place} repeat_interval"), from.repeat_interval),
        cooldown_s: None,
        mute_time_intervals: texts(from.mute_time_intervals),
        active_time_intervals: texts(from.active_time_intervals),
        goes_on: from.goes_on,
        routes: below.map(|(n, child)| route(child, &format!("{place} routes[{n}]"), wrong)).collect(),
    }
}

/// The old ways to write conditions become the new one.
fn matchers(place: &str, equal: Pairs, regex: Pairs, new: Vec<Text>, wrong: &mut Wrong) -> Vec<String> {
    let mut all = Vec::new();
    for (pairs, op) in [(equal, MatchOp::Equal), (regex, MatchOp::Regex)] {
        for (name, value) in pairs {
            let matcher = Matcher::new(name, op, value.0).map_err(|error| format!("{place}: {error}"));
            all.extend(wrong.kept(matcher).map(|matcher| matcher.to_string()));
        }
    }
    for text in texts(new) {
        let read = parse_matchers(&text).map_err(|error| format!("{place}: {error}"));
        all.extend(wrong.kept(read).map(|_| text));
    }
    all
}

fn receiver(from: yaml::Receiver, wrong: &mut Wrong) -> ReceiverConfig {
    let name = from.name.0;
    let webhooks = from.webhook_configs.into_iter().filter_map(|webhook| {
        let timeout = wrong.seconds(&format!("receiver `{name}` timeout"), webhook.timeout);
        let default = WebhookConfig::default();
        Some(WebhookConfig {
            url: webhook.url?.0,
            send_resolved: webhook.send_resolved,
            max_alerts: webhook.max_alerts,
            // 0 is "none" there; here an attempt has to end.
            timeout_s: timeout.filter(|s| *s > 0.0).unwrap_or(default.timeout_s),
            ..default
        })
    });
    ReceiverConfig { webhooks: webhooks.collect(), name, ..ReceiverConfig::default() }
}

fn rule((number, from): (usize, yaml::InhibitRule), wrong: &mut Wrong) -> InhibitRuleConfig {
    let place = format!("inhibit_rules[{number}]");
    let mut side = |equal, regex, new| {
        let all = matchers(&place, equal, regex, new, wrong);
        if all.is_empty() { vec![EVERY_ALERT.to_owned()] } else { all }
    };
    InhibitRuleConfig {
        source_matchers: side(from.source_match, from.source_match_re, from.source_matchers),
        target_matchers: side(from.target_match, from.target_match_re, from.target_matchers),
        equal: texts(from.equal),
    }
}

fn named(from: Named) -> NamedIntervals {
    let interval = |from: yaml::Interval| TimeIntervalConfig {
        times: from.times.map(|times| {
            let range =
                |t: yaml::Times| TimeRangeConfig { start_time: t.start_time.0, end_time: t.end_time.0 };
            times.into_iter().map(range).collect()
        }),
        weekdays: from.weekdays.map(texts),
        days_of_month: from.days_of_month.map(texts),
        months: from.months.map(texts),
        years: from.years.map(texts),
        time_zone: from.location.map(|zone| zone.0),
    };
    NamedIntervals {
        name: from.name.0,
        time_intervals: from.time_intervals.into_iter().map(interval).collect(),
    }
}

/// What is understood at each place. Everything else is told of.
const TOP: [&str; 6] =
    ["global", "route", "receivers", "inhibit_rules", "mute_time_intervals", "time_intervals"];
const GLOBAL: [&str; 1] = ["resolve_timeout"];
const RECEIVER: [&str; 2] = ["name", "webhook_configs"];
const WEBHOOK: [&str; 4] = ["url", "send_resolved", "max_alerts", "timeout"];
const ROUTE: [&str; 12] = [
    "receiver",
    "match",
    "match_re",
    "matchers",
    "group_by",
    "group_wait",
    "group_interval",
    "repeat_interval",
    "continue",
    "mute_time_intervals",
    "active_time_intervals",
    "routes",
];

fn left_out(whole: &Value) -> Vec<String> {
    let mut notes = others("", whole, &TOP);
    notes.extend(others("global.", &whole["global"], &GLOBAL));
    routes_left_out("route", &whole["route"], &mut notes);
    for receiver in whole["receivers"].as_array().into_iter().flatten() {
        let name = receiver["name"].as_str().unwrap_or_default();
        notes.extend(others(&format!("receiver `{name}`: "), receiver, &RECEIVER));
        for webhook in receiver["webhook_configs"].as_array().into_iter().flatten() {
            webhook_left_out(name, webhook, &mut notes);
        }
    }
    notes
}

fn others(place: &str, value: &Value, known: &[&str]) -> Vec<String> {
    let names = value.as_object().into_iter().flatten().map(|(name, _)| name);
    let others = names.filter(|name| !known.contains(&name.as_str()));
    others.map(|name| format!("{place}{name} has no equivalent and is left out")).collect()
}

fn routes_left_out(place: &str, route: &Value, notes: &mut Vec<String>) {
    notes.extend(others(&format!("{place}."), route, &ROUTE));
    for (number, child) in route["routes"].as_array().into_iter().flatten().enumerate() {
        routes_left_out(&format!("{place}.routes[{number}]"), child, notes);
    }
}

fn webhook_left_out(receiver: &str, webhook: &Value, notes: &mut Vec<String>) {
    for name in webhook.as_object().into_iter().flatten().map(|(name, _)| name.as_str()) {
        let what = match name {
            "http_config" => {
                "http_config has no equivalent; midwatch signs what it sends, see `secret`".to_owned()
            }
            "url_file" => "url_file has no equivalent; write the address as `url`".to_owned(),
            name if WEBHOOK.contains(&name) => continue,
            name => format!("{name} has no equivalent and is left out"),
        };
        notes.push(format!("receiver `{receiver}` webhook: {what}"));
    }
    if webhook["url"].as_str().is_some_and(|url| url.contains("{{")) {
        notes.push(format!(
            "receiver `{receiver}` webhook: url is a template; it is kept as it is and not filled in"
        ));
    }
}
