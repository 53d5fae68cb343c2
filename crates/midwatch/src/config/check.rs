//! What a configuration that can be read must hold to. Everything that is wrong is said at once.

use super::{Config, sources};
use midwatch_connectors::{ControlPlaneKind, wrong_receivers};
use midwatch_decision::Approver;
use midwatch_model::decision::Mode;
use midwatch_model::journal::Platform;
use midwatch_signal::source::Source;
use std::collections::BTreeSet;

impl Config {
    /// What is wrong, each with its place and the fix; nothing if all is well.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = self.wrong_services();
        problems.extend(self.wrong_numbers());
        problems.extend(self.wrong_seconds());
        problems.extend(self.decision.wrong_approvers());
        problems.extend(self.unknown_keys());
        problems.extend(self.approvers_without_a_way());
        problems.extend(self.metadata_addresses());
        problems.extend(self.slack.problems());
        problems.extend(self.inhibit_rules.iter().filter_map(|rule| rule.rule().err()));
        problems.extend(self.routing().err().into_iter().flatten().map(|error| error.to_string()));
        problems.extend(self.wrong_receivers());
        problems.extend(self.wrong_sources());
        problems.extend(self.wrong_keys());
        problems.extend(self.check_origins().err());
        problems.extend(self.trusted_proxies().err());
        if self.incident.recurrence_window_s < self.detection.dedup_s {
            problems.push(
                "incident.recurrence_window_s must not be below detection.dedup_s: a fault that returns after the one \
                 and within the other would go unseen"
                    .into(),
            );
        }
        if self.store.path.as_os_str().is_empty() {
            problems.push("store.path is empty; name the database file".into());
        }
        problems.extend(self.dedup.validate().err());
        problems.extend(self.wrong_dedup_sources());
        problems.extend(self.flap.validate().err());
        problems.extend(self.detection.validate().err().map(|e| e.to_string()));
        problems.extend(self.connectors().validate().err().map(|e| e.to_string()));
        problems.extend(self.foresight.problems().iter().map(ToString::to_string));
        problems.extend(self.llm.validate().err().map(|e| e.to_string()));
        problems
    }

    /// What is no mistake, but more than everybody means by it.
    pub fn notes(&self) -> Vec<&'static str> {
        let decision = &self.decision;
        let has_keys = self.server.api_key.is_some() || !self.api_keys.is_empty();
        let notes = [
            (
                self.mode == Mode::Auto && !self.dry_run && decision.autonomy.is_empty(),
                "mode is auto and [[decision.autonomy]] names nothing: whatever guards and policy let pass runs by itself, on \
                 every service and for every cause, from the start; name what may, or begin with mode = \"propose\" and \
                 promote what has earned it (docs/autonomy.md)",
            ),
            (
                !decision.approvers.is_empty() && !has_keys,
                "approvers are configured and API keys are not: whoever reaches this port can give any name, and one person \
                 can be two; add [[api_key]] and name the keys in `api_keys` of each approver (docs/approvals.md)",
            ),
        ];
        notes.into_iter().filter(|(holds, _)| *holds).map(|(_, note)| note).collect()
    }

    fn wrong_services(&self) -> Vec<String> {
        let (mut problems, mut seen) = (Vec::new(), BTreeSet::new());
        for service in &self.services {
            let name = &service.name;
            if name.is_empty() {
                problems.push("a [[service]] has no name; add name = \"…\"".into());
                continue;
            }
            if !midwatch_model::ServiceName::new(name).is_valid() {
                problems.push(format!(
                    "[[service]] name `{name}` cannot be used: letters, digits, `-`, `_`, `.` only"
                ));
            }
            if !seen.insert(name) {
                problems.push(format!("[[service]] `{name}` is there twice; remove one"));
            }
            if service.health.as_deref().is_some_and(|url| !midwatch_connectors::may_be_probed(url)) {
                problems.push(format!(
                    "health of [[service]] `{name}` must be an http:// or https:// URL of the service itself"
                ));
            }
            for problem in service.checks.iter().filter_map(midwatch_model::Check::problem) {
                problems.push(format!("a check of [[service]] `{name}` {problem}"));
            }
            if let Some(platform) = service.platform.filter(|platform| !self.has(*platform)) {
                problems.push(format!(
                    "[[service]] `{name}` lives on {platform}, which is not configured; set {}",
                    section(platform)
                ));
            }
            if service.depends_on.contains(name) {
                problems.push(format!("[[service]] `{name}` depends on itself; remove that"));
            }
        }
        problems
    }

    fn has(&self, platform: Platform) -> bool {
        match platform {
            Platform::Lab => self.control_plane.kind == ControlPlaneKind::Lab,
            Platform::Kubernetes => self.kubernetes.is_some(),
            Platform::Lambda | Platform::Ecs => self.aws.is_some(),
        }
    }

    /// Whoever is known by a key that nobody has can decide nothing when it counts.
    fn unknown_keys(&self) -> Vec<String> {
        let known: BTreeSet<&str> = self
            .api_keys
            .iter()
            .map(|key| key.name.as_str())
            .chain(self.users.iter().map(|user| user.name.as_str()))
            .collect();
        // The one key of a small installation has the name of nobody.
        if known.is_empty() {
            return Vec::new();
        }
        let of = |approver: &Approver| {
            let missing = approver.api_keys.iter().filter(|key| !known.contains(key.as_str()));
            let sentence = |key| {
                let all = known.iter().copied().collect::<Vec<_>>().join(", ");
                format!(
                    "[[decision.approver]] `{}` has the API key `{key}`, and there is none; there are {all}",
                    approver.name
                )
            };
            missing.map(sentence).collect::<Vec<_>>()
        };
        self.decision.approvers.iter().flat_map(of).collect()
    }

    /// Where every request needs a key, nobody is known by the name that they give.
    fn approvers_without_a_way(&self) -> Vec<String> {
        let asks_for_keys = self.server.api_key.as_deref().is_some_and(|key| !key.trim().is_empty())
            || self.server.api_key_file.is_some()
            || !self.api_keys.is_empty()
            || !self.users.is_empty();
        let has_none = |one: &&Approver| one.slack.is_empty() && one.api_keys.is_empty();
        let sentence = |one: &Approver| {
            format!(
                "[[decision.approver]] `{}` can decide nothing, since the server asks for keys: name the person's `api_keys` \
                 (an [[api_key]], or a [[user]] who signs in) or `slack` ids",
                one.name
            )
        };
        self.decision.approvers.iter().filter(|_| asks_for_keys).filter(has_none).map(sentence).collect()
    }

    /// Texts of the file that are URLs of a cloud's metadata or its like. None is connected to anyway; better to hear of it now.
    fn metadata_addresses(&self) -> Vec<String> {
        let Ok(serde_json::Value::Object(mut all)) = serde_json::to_value(self) else { return Vec::new() };
        // Their health and checks have sentences of their own.
        all.remove("service");
        let mut found = Vec::new();
        all.iter().for_each(|(name, value)| metadata_addresses(name, value, &mut found));
        found
    }

    fn wrong_numbers(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !(0.05..=60.0).contains(&self.engine.tick_s) {
            problems.push("engine.tick_s must be 0.05 to 60 seconds".into());
        }
        if !(0.0..=1.0).contains(&self.decision.min_confidence) {
            problems.push("decision.min_confidence must be 0 to 1".into());
        }
        let decision = &self.decision;
        let at_least = [
            ("decision.min_evidence_sources", decision.min_evidence_sources, 2),
            ("decision.rate_max", decision.rate_max, 1),
            ("decision.max_attempts", decision.max_attempts, 1),
            ("verification.normal_readings", self.verification.normal_readings, 1),
        ];
        let too_few = at_least.into_iter().filter(|(_, value, least)| value < least);
        problems.extend(
            too_few.map(|(field, value, least)| format!("{field} is {value}; it must be at least {least}")),
        );
        problems
    }

    /// Every duration must be a number of seconds: NaN or infinity would switch a limit off without a word.
    fn wrong_seconds(&self) -> Vec<String> {
        let (decision, verification, incident) = (&self.decision, &self.verification, &self.incident);
        // The least that each may be; what is 0 would end at once what somebody has to see.
        let fields = [
            ("decision.settle_s", decision.settle_s, 0.0),
            ("decision.evidence_max_age_s", decision.evidence_max_age_s, 0.0),
            ("decision.rate_window_s", decision.rate_window_s, 0.0),
            ("decision.cooldown_s", decision.cooldown_s, 0.0),
            ("decision.repeat_window_s", decision.repeat_window_s, 0.0),
            ("decision.approval_ttl_s", decision.approval_ttl_s, 1.0),
            ("decision.effect_deadline_s", decision.effect_deadline_s, 0.0),
            ("autonomy.interval_s", self.autonomy.interval_s, 1.0),
            ("verification.timeout_s", verification.timeout_s, 0.0),
            ("verification.grace_s", verification.grace_s, 0.0),
            ("verification.soak_s", verification.soak_s, 0.0),
            ("alerts.resolve_timeout_s", self.alerts.resolve_timeout_s, 1.0),
            ("incident.window_s", incident.window_s, 0.0),
            ("incident.recurrence_window_s", incident.recurrence_window_s, 0.0),
            ("incident.self_resolve_s", incident.self_resolve_s, 1.0),
            ("incident.inconclusive_after_s", incident.inconclusive_after_s, 1.0),
        ];
        let wrong = fields.into_iter().filter(|(_, value, least)| !(*least..=604_800.0).contains(value));
        wrong
            .map(|(field, value, least)| {
                format!("{field} is {value}; it must be {least} to 604800 seconds (a week)")
            })
            .collect()
    }

    fn wrong_receivers(&self) -> Vec<String> {
        let (mut problems, mut seen) = (Vec::new(), BTreeSet::new());
        for receiver in &self.receivers {
            if receiver.name.is_empty() || !seen.insert(&receiver.name) {
                problems.push(format!("[[receiver]] `{}`: each needs a name of its own", receiver.name));
            }
        }
        problems.extend(wrong_receivers(&self.receivers).iter().map(ToString::to_string));
        problems
    }

    /// A name that nothing is sent under would look as if it did something.
    fn wrong_dedup_sources(&self) -> Vec<String> {
        // While one of them is wrong, nobody knows whose name it would be.
        let Ok(configured) = sources::feeds(&self.sources) else { return Vec::new() };
        let known: BTreeSet<String> =
            Source::all().map(|source| source.name().to_owned()).chain(configured.into_keys()).collect();
        let unknown = self.dedup.source.keys().filter(|name| !known.contains(*name));
        let names = known.iter().cloned().collect::<Vec<_>>().join(", ");
        let sentence = |name| format!("dedup.source.{name} is no source's; use one of {names}");
        unknown.map(sentence).collect()
    }

    /// Each source by itself; how they go together only if each is right.
    fn wrong_sources(&self) -> Vec<String> {
        let alone = self.sources.iter().map(std::slice::from_ref);
        let problems: Vec<String> = alone.filter_map(|source| sources::check(source).err()).collect();
        if problems.is_empty() { sources::check(&self.sources).err().into_iter().collect() } else { problems }
    }

    fn wrong_keys(&self) -> Vec<String> {
        let keys = self.api_keys.iter().filter_map(|key| Self::named_key(key).err());
        keys.chain(self.users.iter().filter_map(|user| Self::person(user).err())).collect()
    }
}

fn metadata_addresses(path: &str, value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => {
            let why = midwatch_connectors::refused_address(text);
            found.extend(why.map(|why| format!("{path} is refused: {why}; it is never asked")));
        }
        serde_json::Value::Array(all) => {
            all.iter()
                .enumerate()
                .for_each(|(at, one)| metadata_addresses(&format!("{path}[{at}]"), one, found));
        }
        serde_json::Value::Object(all) => {
            for (name, one) in all {
                let path = format!("{path}.{name}");
                match one.as_str().filter(|_| name == "host") {
                    Some(host) => [format!("http://{host}/"), format!("http://[{host}]/")]
                        .iter()
                        .for_each(|url| metadata_addresses(&path, &url.as_str().into(), found)),
                    None => metadata_addresses(&path, one, found),
                }
            }
        }
        _ => {}
    }
}

/// What configures a platform.
fn section(platform: Platform) -> &'static str {
    match platform {
        Platform::Lab => "control_plane.kind = \"lab\" and control_plane.url",
        Platform::Kubernetes => "[kubernetes] namespaces",
        Platform::Lambda | Platform::Ecs => "[aws]",
    }
}
