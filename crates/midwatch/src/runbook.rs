//! Runbooks and workflows in files: which there are, which are enabled, and what is wrong with them. No server is asked.

use crate::cli::{AboutArgs, RunbookCommand};
use crate::config::{Config, RunbooksConfig};
use crate::exit::{DONE, Exit, FAILED, USAGE, Usage};
use crate::output::{self, bold, out};
use anyhow::{Context as _, Result};
use midwatch_engine::workflow::{Subject, WorkflowError, choose, matching, read};
use midwatch_knowledge::SHIPPED;
use midwatch_model::{Labels, Workflow};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Longest file that is looked at, bytes: as long as a runbook may be.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// Files of a folder at most.
const FILES_MAX: usize = 1_000;

/// A workflow and where it comes from.
#[derive(Debug)]
pub struct Known {
    pub place: String,
    pub workflow: Workflow,
}

pub fn run(command: RunbookCommand) -> Result<Exit> {
    match command {
        RunbookCommand::List { config, json } => list(config.as_deref(), json),
        RunbookCommand::Check { paths } => check(&paths),
        RunbookCommand::Match { about, labels, paths, config, json } => {
            matched(&about, &labels, &paths, config.as_deref(), json)
        }
        RunbookCommand::Run { .. } | RunbookCommand::Generate { .. } => {
            unreachable!("the server is asked for these")
        }
    }
}

/// The workflows that ship and those of the configured folder; one of the folder takes the place of one that ships.
///
/// # Errors
/// Everything that cannot be used.
pub fn known(config: &RunbooksConfig) -> Result<Vec<Known>, Vec<String>> {
    let mut all = shipped().map_err(|errors| sentences(&errors))?;
    if let Some(dir) = &config.dir {
        let own = read_all(std::slice::from_ref(dir))?;
        if own.is_empty() {
            return Err(vec![format!(
                "runbooks.dir: no file in {} is a runbook with steps; put one there (`midwatch runbook generate` drafts one) or take the setting out",
                dir.display()
            )]);
        }
        for own in own {
            all.retain(|other| other.workflow.name != own.workflow.name);
            all.push(own);
        }
    }
    let mut names = BTreeSet::new();
    let twice = all.iter().find(|known| !names.insert(known.workflow.name.clone()));
    match twice {
        Some(known) => {
            let name = &known.workflow.name;
            Err(vec![format!(
                "{}: another workflow is called `{name}`, too; give it a name of its own",
                known.place
            )])
        }
        None => Ok(all),
    }
}

/// The workflows that may begin by themselves: none that is not named.
///
/// # Errors
/// Everything that cannot be used, and names that there are not.
pub fn enabled(config: &RunbooksConfig) -> Result<Vec<Workflow>, Vec<String>> {
    if config.enabled.is_empty() && config.dir.is_none() {
        return Ok(Vec::new());
    }
    let all = known(config)?;
    let mut missing: Vec<String> = Vec::new();
    let mut chosen = Vec::new();
    for name in &config.enabled {
        match all.iter().find(|known| known.workflow.name == *name) {
            Some(known) => chosen.push(known.workflow.clone()),
            None => missing.push(format!(
                "runbooks.enabled names `{name}`, and there is no such workflow; `midwatch runbook list` shows those there are"
            )),
        }
    }
    if missing.is_empty() { Ok(chosen) } else { Err(missing) }
}

fn shipped() -> Result<Vec<Known>, Vec<WorkflowError>> {
    let mut all = Vec::new();
    for (place, text) in SHIPPED {
        if let Some(workflow) = read(place, text)? {
            all.push(Known { place: format!("ships with midwatch ({place})"), workflow });
        }
    }
    Ok(all)
}

fn sentences(errors: &[WorkflowError]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

/// The workflows of files and folders. Runbooks without steps are none.
fn read_all(paths: &[PathBuf]) -> Result<Vec<Known>, Vec<String>> {
    let (mut all, mut wrong) = (Vec::new(), Vec::new());
    for file in files(paths).map_err(|error| vec![format!("{error:#}")])? {
        let place = file.display().to_string();
        match text_of(&file) {
            Err(error) => wrong.push(format!("{error:#}")),
            Ok(text) => match read(&place, &text) {
                Err(errors) => wrong.extend(sentences(&errors)),
                Ok(found) => all.extend(found.map(|workflow| Known { place, workflow })),
            },
        }
    }
    if wrong.is_empty() { Ok(all) } else { Err(wrong) }
}

/// A runbook's text.
///
/// # Errors
/// When it cannot be read, or is far too long for one.
pub fn text_of(file: &Path) -> Result<String> {
    let unreadable = || format!("cannot read {}", file.display());
    let length = std::fs::metadata(file).with_context(unreadable)?.len();
    if length > FILE_BYTES_MAX {
        return Err(
            Usage(format!("{}: longer than {} KiB; split it", file.display(), FILE_BYTES_MAX >> 10)).into()
        );
    }
    std::fs::read_to_string(file).with_context(unreadable)
}

/// Files as they are named, and those of folders that may be workflows, by name.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in paths {
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        // The files of a mounted ConfigMap are links to what is there now.
        let may_be = |file: &PathBuf| {
            let ending = file.extension().and_then(|ending| ending.to_str());
            matches!(ending, Some("md" | "yaml" | "yml")) && file.is_file()
        };
        let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(may_be).collect();
        found.sort();
        all.extend(found);
    }
    if all.len() > FILES_MAX {
        return Err(Usage(format!("{} files are too many; {FILES_MAX} at most", all.len())).into());
    }
    Ok(all)
}

fn of_config(file: Option<&Path>) -> Result<RunbooksConfig> {
    Ok(file.map(Config::load).transpose()?.map(|config| config.runbooks).unwrap_or_default())
}

fn all_or_usage(found: Result<Vec<Known>, Vec<String>>) -> Result<Vec<Known>> {
    found.map_err(|problems| Usage(problems.join("\n")).into())
}

fn list(config: Option<&Path>, json: bool) -> Result<Exit> {
    let config = of_config(config)?;
    let all = all_or_usage(known(&config))?;
    let is_enabled = |known: &Known| config.enabled.contains(&known.workflow.name);
    if json {
        let rows: Vec<_> = all
            .iter()
            .map(|known| json!({ "place": known.place, "enabled": is_enabled(known), "workflow": known.workflow }))
            .collect();
        return output::json(&rows).map(|()| DONE);
    }
    let row = |known: &Known| {
        let steps = known.workflow.steps.iter().map(|step| step.id.as_str()).collect::<Vec<_>>().join(" → ");
        let enabled = if is_enabled(known) { "yes" } else { "no" };
        vec![known.workflow.name.clone(), enabled.to_owned(), for_what(&known.workflow), steps]
    };
    output::table(&["name", "enabled", "for", "steps"], all.iter().map(row).collect());
    if config.enabled.is_empty() {
        out!("None begins by itself. To let one: [runbooks] enabled = [\"NAME\"] (docs/runbooks.md).");
    }
    Ok(DONE)
}

fn for_what(workflow: &Workflow) -> String {
    let trigger = &workflow.trigger;
    let mut parts: Vec<String> = trigger.causes.iter().map(ToString::to_string).collect();
    parts.extend(trigger.components.iter().map(ToString::to_string));
    parts.extend(trigger.labels.iter().cloned());
    parts.extend(trigger.severity.map(|least| format!("from {least}")));
    if parts.is_empty() { "nothing: it has no trigger".to_owned() } else { parts.join(", ") }
}

fn check(paths: &[PathBuf]) -> Result<Exit> {
    match read_all(paths) {
        Ok(found) if found.is_empty() => {
            out!("There is nothing that runs in it: prose only. docs/runbooks.md says how to write steps.");
            Ok(DONE)
        }
        Ok(found) => {
            for known in &found {
                let steps = known.workflow.steps.len();
                out!(
                    "{}: {}: {steps} steps, for {}",
                    known.place,
                    bold("can be used"),
                    for_what(&known.workflow)
                );
            }
            Ok(DONE)
        }
        Err(problems) => {
            for problem in problems {
                out!("{problem}");
            }
            Ok(USAGE)
        }
    }
}

fn matched(
    about: &AboutArgs,
    labels: &[String],
    paths: &[PathBuf],
    config: Option<&Path>,
    json: bool,
) -> Result<Exit> {
    let config = of_config(config)?;
    let all = all_or_usage(if paths.is_empty() { known(&config) } else { read_all(paths) })?;
    let mut of_alert = Labels::new();
    of_alert.insert("service", about.service.as_str());
    for label in labels {
        let (name, value) =
            label.split_once('=').ok_or_else(|| Usage(format!("`{label}` is no label; write NAME=VALUE")))?;
        of_alert.insert(name, value);
    }
    let (service, severity) = (about.service(), about.severity);
    let subject = Subject { service, cause: about.cause, severity, confidence: 1.0, labels: vec![of_alert] };
    let workflows: Vec<Workflow> = all.iter().map(|known| known.workflow.clone()).collect();
    let chosen = choose(&workflows, &subject, &[]).map(|(workflow, _)| workflow.name.clone());
    let row = |known: &Known| {
        let (fits, why) = match matching(&known.workflow.trigger, &subject) {
            Ok(why) => (true, why),
            Err(why) => (false, why),
        };
        let is_enabled = config.enabled.contains(&known.workflow.name);
        (known.workflow.name.clone(), fits, is_enabled, why)
    };
    let mut rows: Vec<_> = all.iter().map(row).collect();
    rows.sort_by_key(|(_, fits, ..)| !fits);
    if json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(name, fits, enabled, why)| json!({ "name": name, "matches": fits, "enabled": enabled, "why": why }))
            .collect();
        output::json(&json!({ "first": chosen, "workflows": rows }))?;
    } else {
        let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        let table = rows
            .iter()
            .map(|(name, fits, enabled, why)| vec![name.clone(), yes(*fits), yes(*enabled), why.clone()]);
        output::table(&["name", "matches", "enabled", "why"], table.collect());
        match &chosen {
            Some(name) => {
                let others = if rows.iter().filter(|(_, fits, ..)| *fits).count() > 1 {
                    ": of those that match, it has the most conditions, or comes first by name"
                } else {
                    ""
                };
                out!("{} would be the plan, once it is enabled{others}.", bold(name))
            }
            None => out!("None matches: midwatch makes a plan of its own."),
        }
    }
    Ok(if chosen.is_some() { DONE } else { FAILED })
}

/// The text of a workflow that is named by its file, or by the name of one that ships.
///
/// # Errors
/// When there is neither.
pub fn text_by_name(name: &str) -> Result<(String, String)> {
    let path = Path::new(name);
    if path.exists() {
        return Ok((name.to_owned(), text_of(path)?));
    }
    let is_it =
        |place: &str| place.rsplit('/').next().and_then(|file| file.strip_suffix(".md")) == Some(name);
    let found = SHIPPED.iter().find(|(place, _)| place.starts_with("runbooks/") && is_it(place));
    let (place, text) = found.ok_or_else(|| {
        Usage(format!("there is no file `{name}`, and no such runbook ships; `midwatch runbook list` shows those that do"))
    })?;
    Ok(((*place).to_owned(), (*text).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use midwatch_model::{Cause, ServiceName, Severity};

    fn config(dir: Option<PathBuf>, enabled: &[&str]) -> RunbooksConfig {
        RunbooksConfig { dir, enabled: enabled.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn every_runbook_that_ships_can_be_used_and_none_is_enabled() {
        let all = known(&config(None, &[])).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(all.len(), 15, "{:?}", all.iter().map(|known| &known.workflow.name).collect::<Vec<_>>());
        assert!(all.iter().all(|known| !known.workflow.trigger.is_empty()));
        assert_eq!(enabled(&RunbooksConfig::default()), Ok(Vec::new()));
        let one = enabled(&config(None, &["latency-spike"])).expect("it ships");
        assert_eq!(one[0].title, "Requests are slow");
    }

    #[test]
    fn what_people_are_woken_for_has_a_workflow() {
        let all: Vec<Workflow> =
            known(&config(None, &[])).expect("they ship").into_iter().map(|k| k.workflow).collect();
        // Storage cannot be given back by any action of the catalogue.
        for cause in Cause::ALL.iter().filter(|cause| **cause != Cause::StorageExhaustion) {
            let subject = Subject {
                service: ServiceName::new("payment"),
                cause: *cause,
                severity: Severity::Warning,
                confidence: 1.0,
                labels: Vec::new(),
            };
            assert!(choose(&all, &subject, &[]).is_some(), "{cause}");
        }
    }

    #[test]
    fn ones_own_take_the_place_of_those_that_ship_and_what_is_wrong_is_said_with_its_line() {
        let dir = tempfile::tempdir().expect("a folder");
        let own = "trigger: { causes: [memory_leak] }\nsteps:\n  - { id: only, notify: look at it }\n";
        std::fs::write(dir.path().join("latency-spike.yaml"), own).expect("written");
        std::fs::write(dir.path().join("prose.md"), "# Only prose\nNothing runs here.\n").expect("written");
        let config_of = |names: &[&str]| config(Some(dir.path().to_owned()), names);
        let all = known(&config_of(&[])).expect("good");
        assert_eq!(all.len(), 15);
        let chosen = enabled(&config_of(&["latency-spike"])).expect("good");
        assert_eq!(chosen[0].steps.len(), 1);
        let missing = enabled(&config_of(&["nothing"])).expect_err("there is none");
        assert!(missing[0].contains("`nothing`") && missing[0].contains("runbook list"), "{missing:?}");
        std::fs::write(dir.path().join("bad.yaml"), own.replace("notify", "shell")).expect("written");
        let wrong = known(&config_of(&[])).expect_err("an unknown field");
        assert!(wrong[0].contains("bad.yaml:3") && wrong[0].contains("shell"), "{wrong:?}");
    }
}
