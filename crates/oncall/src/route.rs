//! The routing tree: which receivers hear of an alert, in which groups, with which patience.

use crate::{TimeInterval, TimeIntervalConfig};
use midwatch_model::label::{all_match, parse_matchers};
use midwatch_model::{Labels, Matcher, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Alertmanager's own defaults, seconds.
const GROUP_WAIT_S: f64 = 30.0;
const GROUP_INTERVAL_S: f64 = 300.0;
const REPEAT_INTERVAL_S: f64 = 14_400.0;
/// Pause between two notifications about one service.
const COOLDOWN_S: f64 = 300.0;

/// In `group_by`: every label, so that each alert is a group of its own.
const EVERY_LABEL: &str = "...";

/// A node of the routing tree. What is absent is taken from the node above.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteConfig {
    /// Name of the `[[receiver]]` that is told.
    pub receiver: Option<String>,
    /// Conditions such as `severity="critical"`; all must hold. The topmost route takes every alert and has none.
    pub matchers: Vec<String>,
    /// Labels whose values make a group; `["..."]` for all labels. An empty list says nothing.
    pub group_by: Option<Vec<String>>,
    /// Seconds to wait for more alerts before a group is told of for the first time.
    pub group_wait_s: Option<f64>,
    /// Seconds before news of a group that was told of are told.
    pub group_interval_s: Option<f64>,
    /// Seconds after which a group that still fires is told of again.
    pub repeat_interval_s: Option<f64>,
    /// Seconds in which a receiver is not told again of the same service, unless it gets worse. 0 for none.
    pub cooldown_s: Option<f64>,
    /// Names of `[[time_interval]]`s in which nothing is told. Not taken from the node above.
    pub mute_time_intervals: Vec<String>,
    /// Names of `[[time_interval]]`s outside of which nothing is told. Not taken from the node above.
    pub active_time_intervals: Vec<String>,
    /// Whether the routes after this one are asked, too.
    #[serde(rename = "continue")]
    pub goes_on: bool,
    /// More special routes. The first that matches takes the alert; if none does, this one.
    pub routes: Vec<RouteConfig>,
}

/// A named list of time intervals; one of them is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NamedIntervals {
    pub name: String,
    pub time_intervals: Vec<TimeIntervalConfig>,
}

/// Everything that routing is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoutingConfig {
    /// The topmost route; without one nobody is told of alerts.
    pub route: Option<RouteConfig>,
    pub time_intervals: Vec<NamedIntervals>,
    /// Names of the receivers that exist.
    pub receivers: Vec<String>,
}

/// What is wrong with the routing configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct RoutingError {
    place: String,
    problem: String,
}

/// A route's place in the tree's list.
pub type RouteId = usize;

/// A route with everything that it has from above.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The matchers from the top to here, as Alertmanager writes them; two of the same get a number.
    pub key: String,
    pub receiver: String,
    pub group_by: BTreeSet<String>,
    pub group_by_all: bool,
    pub group_wait_s: f64,
    pub group_interval_s: f64,
    pub repeat_interval_s: f64,
    pub cooldown_s: f64,
    mute: Vec<String>,
    active: Vec<String>,
    matchers: Vec<Matcher>,
    goes_on: bool,
    children: Vec<RouteId>,
}

impl Route {
    /// What a group of this route is known by, as Alertmanager writes it.
    #[must_use]
    pub fn group_key(&self, labels: &Labels) -> String {
        let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        format!("{}:{{{}}}", self.key, pairs.join(", "))
    }

    /// The labels that make an alert's group here.
    #[must_use]
    pub fn group_labels(&self, labels: &Labels) -> Labels {
        let counts = |name: &str| self.group_by_all || self.group_by.iter().any(|by| by == name);
        labels.iter().filter(|(name, _)| counts(name)).collect()
    }
}

/// The whole tree. Empty if nobody is to be told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoutingTree {
    /// The topmost is the first.
    routes: Vec<Route>,
    intervals: BTreeMap<String, Vec<TimeInterval>>,
}

/// Why a route is quiet now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Muted {
    /// Within these time intervals nothing is told.
    Within(Vec<String>),
    /// Outside of all of these, its active time intervals.
    Outside(Vec<String>),
}

impl Muted {
    /// The names of the time intervals.
    #[must_use]
    pub fn into_names(self) -> Vec<String> {
        match self {
            Muted::Within(names) | Muted::Outside(names) => names,
        }
    }
}

impl std::fmt::Display for Muted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Muted::Within(names) => write!(f, "muted by time interval {}", names.join(", ")),
            Muted::Outside(names) => write!(f, "outside of the active time interval {}", names.join(", ")),
        }
    }
}

impl RoutingTree {
    /// # Errors
    /// Everything that cannot be used, where it stands, and how to write it.
    pub fn new(config: &RoutingConfig) -> Result<Self, Vec<RoutingError>> {
        let (intervals, mut wrong) = intervals(&config.time_intervals);
        let mut tree = Self { routes: Vec::new(), intervals };
        if let Some(top) = &config.route {
            wrong.extend(wrong_at_the_top(top));
            tree.add(top, None, "[route]", config, &mut wrong);
        }
        if wrong.is_empty() { Ok(tree) } else { Err(wrong) }
    }

    fn add(
        &mut self,
        config: &RouteConfig,
        above: Option<&Route>,
        place: &str,
        all: &RoutingConfig,
        wrong: &mut Vec<RoutingError>,
    ) -> RouteId {
        let mut problems = Vec::new();
        let route = self.resolve(config, above, all, &mut problems);
        wrong.extend(problems.into_iter().map(|problem| RoutingError { place: place.into(), problem }));
        let id = self.routes.len();
        self.routes.push(route.clone());
        for (index, child) in config.routes.iter().enumerate() {
            let child = self.add(child, Some(&route), &format!("{place} routes[{index}]"), all, wrong);
            self.routes[id].children.push(child);
        }
        id
    }

    /// A route as it would be; what cannot be used is left out of it and told of.
    fn resolve(
        &self,
        config: &RouteConfig,
        above: Option<&Route>,
        all: &RoutingConfig,
        wrong: &mut Vec<String>,
    ) -> Route {
        let matchers = matchers(&config.matchers, wrong);
        let receiver =
            config.receiver.clone().or_else(|| above.map(|a| a.receiver.clone())).unwrap_or_default();
        // One that has it from above has been told of there; the topmost without any, by itself.
        if config.receiver.is_some() && !all.receivers.contains(&receiver) {
            wrong.push(format!("receiver `{receiver}` does not exist; add a [[receiver]] with that name"));
        }
        for name in config.mute_time_intervals.iter().chain(&config.active_time_intervals) {
            if !self.intervals.contains_key(name) {
                wrong.push(format!(
                    "time interval `{name}` does not exist; add a [[time_interval]] with that name"
                ));
            }
        }
        let (group_by, group_by_all) = group_by(config.group_by.as_deref(), above, wrong);
        let mut seconds = |name: &str, own: Option<f64>, above: Option<f64>, default: f64, least: f64| {
            let value = own.or(above).unwrap_or(default);
            wrong.extend(own.and_then(|own| wrong_seconds(name, own, least)));
            value
        };
        Route {
            key: self.key(&matchers, above),
            receiver,
            group_by,
            group_by_all,
            group_wait_s: seconds(
                "group_wait_s",
                config.group_wait_s,
                above.map(|a| a.group_wait_s),
                GROUP_WAIT_S,
                0.0,
            ),
            group_interval_s: seconds(
                "group_interval_s",
                config.group_interval_s,
                above.map(|a| a.group_interval_s),
                GROUP_INTERVAL_S,
                0.05,
            ),
            repeat_interval_s: seconds(
                "repeat_interval_s",
                config.repeat_interval_s,
                above.map(|a| a.repeat_interval_s),
                REPEAT_INTERVAL_S,
                0.05,
            ),
            cooldown_s: seconds(
                "cooldown_s",
                config.cooldown_s,
                above.map(|a| a.cooldown_s),
                COOLDOWN_S,
                0.0,
            ),
            mute: config.mute_time_intervals.clone(),
            active: config.active_time_intervals.clone(),
            matchers,
            goes_on: config.goes_on,
            children: Vec::new(),
        }
    }

    fn key(&self, matchers: &[Matcher], above: Option<&Route>) -> String {
        let text = matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let key = above.map_or_else(|| format!("{{{text}}}"), |above| format!("{}/{{{text}}}", above.key));
        let alike = self
            .routes
            .iter()
            .filter(|route| route.key == key || route.key.starts_with(&format!("{key}#")))
            .count();
        if alike == 0 { key } else { format!("{key}#{alike}") }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    #[must_use]
    pub fn route(&self, id: RouteId) -> Option<&Route> {
        self.routes.get(id)
    }

    /// The longest pause of any route, seconds.
    #[must_use]
    pub fn longest_cooldown_s(&self) -> f64 {
        self.routes.iter().map(|route| route.cooldown_s).fold(0.0, f64::max)
    }

    /// The routes that take an alert, in the order of the tree. Semantics of Alertmanager's `Route.Match`.
    #[must_use]
    pub fn matching(&self, labels: &Labels) -> Vec<RouteId> {
        let mut found = Vec::new();
        if !self.routes.is_empty() {
            self.walk(0, labels, &mut found);
        }
        found
    }

    fn walk(&self, id: RouteId, labels: &Labels, found: &mut Vec<RouteId>) -> bool {
        let route = &self.routes[id];
        if !all_match(&route.matchers, labels) {
            return false;
        }
        let before = found.len();
        for child in &route.children {
            if self.walk(*child, labels, found) && !self.routes[*child].goes_on {
                break;
            }
        }
        if found.len() == before {
            found.push(id);
        }
        true
    }

    /// Whether a route's time intervals keep it quiet now.
    #[must_use]
    pub fn muted(&self, id: RouteId, now: Timestamp) -> Option<Muted> {
        let route = self.routes.get(id)?;
        let within = |name: &&String| {
            self.intervals.get(*name).is_some_and(|list| list.iter().any(|interval| interval.contains(now)))
        };
        if !route.active.is_empty() && !route.active.iter().any(|name| within(&name)) {
            return Some(Muted::Outside(route.active.clone()));
        }
        let mute: Vec<String> = route.mute.iter().filter(within).cloned().collect();
        (!mute.is_empty()).then_some(Muted::Within(mute))
    }
}

/// What the topmost route cannot say.
fn wrong_at_the_top(top: &RouteConfig) -> Vec<RoutingError> {
    let problems = [
        (top.receiver.is_none(), "the topmost route needs a receiver, so that every alert has one"),
        (
            !top.matchers.is_empty() || top.goes_on,
            "the topmost route takes every alert; it can have no matchers and no continue",
        ),
        (
            !top.mute_time_intervals.is_empty() || !top.active_time_intervals.is_empty(),
            "the topmost route can have no time intervals; give them to routes below it",
        ),
    ];
    let wrong = problems.into_iter().filter(|(is_wrong, _)| *is_wrong);
    wrong.map(|(_, problem)| RoutingError { place: "[route]".into(), problem: problem.into() }).collect()
}

type Intervals = BTreeMap<String, Vec<TimeInterval>>;

/// Time intervals by their names, those that cannot be used among them: whoever refers to one is not wrong, too.
fn intervals(list: &[NamedIntervals]) -> (Intervals, Vec<RoutingError>) {
    let (mut all, mut wrong) = (BTreeMap::new(), Vec::new());
    for named in list {
        let place = format!("[[time_interval]] `{}`", named.name);
        let mut say = |problem: String| wrong.push(RoutingError { place: place.clone(), problem });
        if named.name.is_empty() {
            say("it has no name".into());
        }
        let mut parsed = Vec::new();
        for interval in &named.time_intervals {
            match TimeInterval::new(interval) {
                Ok(interval) => parsed.push(interval),
                Err(problem) => say(problem),
            }
        }
        if all.insert(named.name.clone(), parsed).is_some() {
            say("there are two of that name; rename one".into());
        }
    }
    (all, wrong)
}

/// Sorted as Alertmanager sorts them, so that the order in which they are written does not matter.
fn matchers(texts: &[String], wrong: &mut Vec<String>) -> Vec<Matcher> {
    let mut all = Vec::new();
    for text in texts {
        match parse_matchers(text) {
            Ok(matchers) => all.extend(matchers),
            Err(error) => wrong.push(format!("matchers: {error}")),
        }
    }
    all.sort_by(|a, b| (a.name(), a.value(), a.op()).cmp(&(b.name(), b.value(), b.op())));
    all
}

fn group_by(
    own: Option<&[String]>,
    above: Option<&Route>,
    wrong: &mut Vec<String>,
) -> (BTreeSet<String>, bool) {
    // An empty list says nothing, as in Alertmanager.
    let Some(names) = own.filter(|names| !names.is_empty()) else {
        return above.map_or_else(Default::default, |a| (a.group_by.clone(), a.group_by_all));
    };
    let set: BTreeSet<String> = names.iter().cloned().collect();
    if set.len() < names.len() {
        wrong.push("group_by names a label twice".into());
    }
    let all = set.contains(EVERY_LABEL);
    if all && set.len() > 1 {
        wrong.push("group_by has `...` beside other labels; `...` means all of them".into());
    }
    if all { (BTreeSet::new(), true) } else { (set, false) }
}

/// A year: whatever is longer is a mistake in the unit.
const SECONDS_MAX: f64 = 31_536_000.0;

fn wrong_seconds(field: &str, value: f64, least: f64) -> Option<String> {
    let fits = (least..=SECONDS_MAX).contains(&value);
    (!fits).then(|| format!("{field} is {value}; it must be {least} to {SECONDS_MAX} seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Result<RoutingTree, String> {
        #[derive(Deserialize)]
        struct File {
            route: Option<RouteConfig>,
            #[serde(default)]
            time_interval: Vec<NamedIntervals>,
        }
        let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
        let receivers = ["all", "db", "web", "pager"].map(String::from).to_vec();
        let config = RoutingConfig { route: file.route, time_intervals: file.time_interval, receivers };
        RoutingTree::new(&config)
            .map_err(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    const TREE: &str = r#"
        [route]
        receiver = "all"
        group_by = ["service"]
        group_wait_s = 5
        [[route.routes]]
        matchers = ['team="db"']
        receiver = "db"
        group_by = ["..."]
        [[route.routes.routes]]
        matchers = ['severity=~"crit.*"', 'a!=b']
        receiver = "pager"
        group_wait_s = 0
        continue = true
        [[route.routes.routes]]
        matchers = ['severity="critical"']
        [[route.routes]]
        matchers = ['team="web"']
        continue = true
        receiver = "web"
        mute_time_intervals = ["nights"]
        [[route.routes]]
        matchers = ['severity="critical"']
        receiver = "pager"
        active_time_intervals = ["nights"]
        [[time_interval]]
        name = "nights"
        time_intervals = [{ times = [{ start_time = "00:00", end_time = "06:00" }] }]
    "#;

    fn labels(text: &str) -> Labels {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn check(text: &str, expected: &[&str]) {
        let tree = tree(TREE).expect("a tree");
        let shown =
            |id: RouteId| tree.route(id).map(|r| format!("{} {}", r.receiver, r.key)).unwrap_or_default();
        let found: Vec<String> = tree.matching(&labels(text)).into_iter().map(shown).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn the_deepest_match_takes_an_alert_and_continue_asks_on() {
        check("x=y", &["all {}"]);
        check("team=db", &[r#"db {}/{team="db"}"#]);
        check(
            "team=db,severity=critical",
            &[
                r#"pager {}/{team="db"}/{a!="b",severity=~"crit.*"}"#,
                r#"db {}/{team="db"}/{severity="critical"}"#,
            ],
        );
        check("team=web", &[r#"web {}/{team="web"}"#]);
        check("team=web,severity=critical", &[r#"web {}/{team="web"}"#, r#"pager {}/{severity="critical"}"#]);
    }

    #[test]
    fn a_route_has_from_above_what_it_does_not_say() {
        let tree = tree(TREE).expect("a tree");
        let critical = tree.matching(&labels("team=db,severity=critical"));
        let waits: Vec<_> =
            critical.iter().filter_map(|id| tree.route(*id)).map(|r| r.group_wait_s).collect();
        assert_eq!(waits, [0.0, 5.0]);
        let route = tree.route(critical[0]).expect("a route");
        assert!(route.group_by_all && route.group_interval_s == 300.0 && route.repeat_interval_s == 14_400.0);
        assert_eq!(route.group_labels(&labels("a=1,b=2")), labels("a=1,b=2"));
        let top = tree.route(0).expect("the top");
        assert_eq!(top.group_labels(&labels("service=pay,b=2")), labels("service=pay"));
    }

    #[test]
    fn time_intervals_keep_a_route_quiet() {
        let tree = tree(TREE).expect("a tree");
        let muted =
            |text: &str, at: &str| tree.muted(tree.matching(&labels(text))[0], at.parse().expect("a time"));
        let (night, day) = ("2026-01-01T03:00:00Z", "2026-01-01T12:00:00Z");
        assert_eq!(muted("team=web", night), Some(Muted::Within(vec!["nights".into()])));
        assert_eq!(muted("team=web", day), None);
        assert_eq!(muted("severity=critical", night), None);
        assert_eq!(muted("severity=critical", day), Some(Muted::Outside(vec!["nights".into()])));
        assert_eq!(muted("x=y", night), None);
    }

    #[test]
    fn routes_of_the_same_matchers_keep_apart() {
        let text = "[route]\nreceiver='all'\n[[route.routes]]\nmatchers=['a=b']\ncontinue=true\n[[route.routes]]\nmatchers=['a=b']";
        let tree = tree(text).expect("a tree");
        let keys: Vec<_> =
            tree.matching(&labels("a=b")).iter().filter_map(|id| tree.route(*id)).map(|r| &r.key).collect();
        assert_eq!(keys, [r#"{}/{a="b"}"#, r#"{}/{a="b"}#1"#]);
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_place() {
        for (text, part) in [
            ("[route]", "[route]: the topmost route needs a receiver"),
            ("[route]\nreceiver='nobody'", "receiver `nobody` does not exist"),
            ("[route]\nreceiver='all'\nmatchers=['a=b']", "no matchers"),
            ("[route]\nreceiver='all'\nmute_time_intervals=['x']", "no time intervals"),
            ("[route]\nreceiver='all'\ngroup_by=['...','a']", "beside other labels"),
            ("[route]\nreceiver='all'\ngroup_by=['a','a']", "twice"),
            ("[route]\nreceiver='all'\ngroup_wait_s=-1", "group_wait_s is -1"),
            ("[route]\nreceiver='all'\ngroup_interval_s=0", "group_interval_s is 0"),
            ("[route]\nreceiver='all'\nrepeat_interval_s=nan", "repeat_interval_s is NaN"),
            (
                "[route]\nreceiver='all'\n[[route.routes]]\nmatchers=['a=~\"(\"']",
                "[route] routes[0]: matchers",
            ),
            (
                "[route]\nreceiver='all'\n[[route.routes]]\nmute_time_intervals=['x']",
                "time interval `x` does not exist",
            ),
            ("[[time_interval]]\nname='a'\n[[time_interval]]\nname='a'", "two of that name"),
            (
                "[[time_interval]]\nname='a'\ntime_intervals=[{years=['x']}]",
                "[[time_interval]] `a`: `x` is not a year",
            ),
        ] {
            let error = tree(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
        assert_eq!(tree("").map(|tree| tree.matching(&labels("a=b"))), Ok(Vec::new()));
    }

    #[test]
    fn everything_that_cannot_work_is_said_at_once_and_nothing_twice() {
        let text = "[route]\nreceiver='nobody'\ngroup_wait_s=-1\ngroup_by=['a','a']\n[[route.routes]]\nmatchers=['a=~\"(\"']\n\
                    [[route.routes.routes]]\nreceiver='db'\nmute_time_intervals=['x','bad']\n[[route.routes]]\n\
                    receiver='none'\n[[time_interval]]\nname='bad'\ntime_intervals=[{years=['x']},{months=['y']}]";
        let all = tree(text).expect_err("much is wrong");
        let places: Vec<&str> =
            all.lines().map(|line| line.split_once(": ").map_or(line, |(p, _)| p)).collect();
        let (top, bad) = ("[route]", "[[time_interval]] `bad`");
        let routes = ["[route] routes[0]", "[route] routes[0] routes[0]", "[route] routes[1]"];
        assert_eq!(places, [bad, bad, top, top, top, routes[0], routes[1], routes[2]], "{all}");
    }
}
