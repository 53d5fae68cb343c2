//! `midwatch import …`: the configuration of other tools, brought into ours. What has no equivalent is named, each on a
//! line of its own, so that nothing is lost without a word.

mod alertmanager;
mod yaml;

use crate::cli::ImportCommand;
use crate::config::Config;
use crate::exit::{DONE, Exit, Usage};
use crate::output;
use anyhow::{Context as _, Result};
use std::path::Path;

/// What somebody else's configuration amounts to.
struct Imported {
    /// Our configuration.
    toml: String,
    /// What has no equivalent, or is different here.
    notes: Vec<String>,
}

pub fn run(command: ImportCommand) -> Result<Exit> {
    let ImportCommand::Alertmanager { file, output } = command;
    let text = std::fs::read_to_string(&file)
        .map_err(|error| Usage(format!("cannot read {}: {error}", file.display())))?;
    let imported = import(&text, &file).map_err(Usage)?;
    for note in &imported.notes {
        eprintln!("note: {note}");
    }
    match output {
        Some(path) => std::fs::write(&path, &imported.toml)
            .with_context(|| format!("cannot write {}", path.display()))?,
        None => output::write(format_args!("{}", imported.toml)),
    }
    Ok(DONE)
}

/// Brings an Alertmanager's configuration into ours and makes sure that it can be used.
fn import(text: &str, file: &Path) -> Result<Imported, String> {
    let name = file.display().to_string();
    let (read, notes) = alertmanager::read(text, &name)?;
    let mut table = toml::Table::try_from(&read).map_err(|error| format!("{name}: {error}"))?;
    table.iter_mut().for_each(|(_, value)| prune(value));
    let toml = format!("# Taken over from {name} by `midwatch import alertmanager`.\n\n{table}");
    Config::of_text(&toml).map_err(|error| format!("{name}: what it says cannot be used: {error:#}"))?;
    Ok(Imported { toml, notes })
}

/// Fields that say nothing when they are empty or false. (`group_by = []` does: it does away with the one from above.)
const QUIET: [&str; 7] =
    ["matchers", "mute_time_intervals", "active_time_intervals", "routes", "continue", "webhook", "equal"];

fn prune(value: &mut toml::Value) {
    let says_nothing = |value: &toml::Value| match value {
        toml::Value::Array(all) => all.is_empty(),
        toml::Value::Boolean(yes) => !yes,
        _ => false,
    };
    match value {
        toml::Value::Table(table) => {
            table.retain(|name, value| !(QUIET.contains(&name) && says_nothing(value)));
            table.iter_mut().for_each(|(_, value)| prune(value));
        }
        toml::Value::Array(all) => all.iter_mut().for_each(prune),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r##"
global:
  resolve_timeout: 7m
  slack_api_url: https://hooks.slack.example/x
templates: ['/etc/templates/*.tmpl']
route:
  receiver: everyone
  group_by: [alertname, cluster]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 3h
  routes:
  - match: {team: db}
    match_re: {severity: "critical|page"}
    receiver: db
    group_by: ['...']
    continue: true
    routes:
    - matchers: ['env="prod"', 'region=~"eu-.*"']
      mute_time_intervals: [nights]
      repeat_interval: 1d
  - matchers: [severity = info]
    active_time_intervals: [office]
    group_by: []
receivers:
- name: everyone
  webhook_configs:
  - url: http://127.0.0.1:9/hook
    send_resolved: false
    max_alerts: 10
    timeout: 5s
    http_config: {authorization: {credentials: x}}
- name: db
  slack_configs: [{channel: "#db", text: "{{ .CommonLabels.alertname }}"}]
inhibit_rules:
- source_match: {severity: critical}
  target_match_re: {severity: "warning|info"}
  equal: [alertname, cluster]
- source_matchers: ['alertname="NodeDown"']
  target_matchers: ['node!=""']
mute_time_intervals:
- name: nights
  time_intervals:
  - times: [{start_time: "22:00", end_time: "24:00"}]
    weekdays: ['monday:friday', 'sunday']
    days_of_month: ['1:5', -1]
    years: [2026]
    location: Europe/Berlin
time_intervals:
- name: office
  time_intervals: [{times: [{start_time: "09:00", end_time: "17:00"}]}]
"##;

    fn imported(text: &str) -> Result<Imported, String> {
        import(text, Path::new("am.yml"))
    }

    #[test]
    fn a_whole_configuration_is_taken_over_and_can_be_used() {
        let Imported { toml, notes } = imported(OLD).expect("taken over");
        let config = Config::of_text(&toml).expect("usable");
        assert_eq!(config.alerts.resolve_timeout_s, 420.0);
        let top = config.route.expect("a route");
        assert_eq!((top.cooldown_s, top.repeat_interval_s), (Some(0.0), Some(10_800.0)));
        let db = &top.routes[0];
        assert_eq!(db.matchers, [r#"team="db""#, r#"severity=~"critical|page""#]);
        assert!(db.goes_on && db.group_by == Some(vec!["...".into()]));
        assert_eq!(db.routes[0].repeat_interval_s, Some(86_400.0));
        assert_eq!(db.routes[0].mute_time_intervals, ["nights"]);
        assert_eq!(top.routes[1].group_by, Some(Vec::new()), "an empty list is not an absent one");
        let webhook = &config.receivers[0].webhooks[0];
        assert_eq!((webhook.send_resolved, webhook.max_alerts, webhook.timeout_s), (false, 10, 5.0));
        assert!(config.receivers[1].webhooks.is_empty());
        assert_eq!(config.inhibit_rules[0].target_matchers, [r#"severity=~"warning|info""#]);
        let nights = &config.time_intervals[0].time_intervals[0];
        assert_eq!(nights.days_of_month, Some(vec!["1:5".into(), "-1".into()]));
        assert_eq!(nights.time_zone.as_deref(), Some("Europe/Berlin"));
        for part in ["slack_api_url", "templates", "http_config", "slack_configs", "`db` tells nobody"] {
            assert!(notes.iter().any(|note| note.contains(part)), "{part}: {notes:#?}");
        }
        assert!(toml.contains("continue = true") && !toml.contains("continue = false"), "{toml}");
    }

    #[test]
    fn what_cannot_be_taken_over_is_refused_with_its_place() {
        for (text, part) in [
            ("route:\n  receiver: [a\n", "am.yml:"),
            (
                "route:\n  receiver: a\n  group_wait: soon\nreceivers: [{name: a}]",
                "[route] group_wait: `soon`",
            ),
            ("route:\n  receiver: b\nreceivers: [{name: a}]", "receiver `b` does not exist"),
            (
                "route:\n  receiver: a\n  routes:\n  - match_re: {a: '('}\nreceivers: [{name: a}]",
                "[route] routes[0]",
            ),
            ("receivers: [{name: a}]", "no `route`"),
        ] {
            let error = imported(text).err().unwrap_or_else(|| panic!("{text} was taken over"));
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn everything_that_cannot_be_taken_over_is_told_of_at_once() {
        let webhook = |timeout: &str| format!("webhook_configs: [{{url: 'http://x', timeout: {timeout}}}]");
        let text = format!(
            "route:\n  receiver: a\n  group_wait: soon\nreceivers:\n- {{name: a, {}}}\n- {{name: b, {}}}\n\
             inhibit_rules: [{{source_matchers: ['x=~\"(\"']}}]",
            webhook("late"),
            webhook("never"),
        );
        let error = imported(&text).err().expect("refused");
        for part in ["[route] group_wait", "receiver `a` timeout", "receiver `b` timeout", "inhibit_rules[0]"]
        {
            assert!(
                error.lines().any(|line| line.starts_with(&format!("am.yml: {part}"))),
                "{part}: {error}"
            );
        }
        let bad = "route:\n  receiver: c\nreceivers:\n- {name: a, webhook_configs: [{url: x}]}\n\
                   - {name: b, webhook_configs: [{url: 'ftp://y'}]}";
        let error = imported(bad).err().expect("refused");
        for part in [
            "receiver `c` does not exist",
            "[[receiver]] `a` webhook[0] url",
            "[[receiver]] `b` webhook[0] url",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
