//! The row of pull requests: they are opened beside the fix, and closed by a person.

use super::{Point, tick};
use crate::harness::{Rig, TICKS_MAX};
use crate::repository::Repository;
use crate::world::Answer;
use midwatch_connectors::{ConnectorsConfig, World};
use midwatch_engine::ActRequest;
use midwatch_incident::{Incident, State};
use midwatch_model::decision::{Caller, Way};
use midwatch_model::journal::EffectOutcome;
use midwatch_model::{Action, ActionKind};
use serde_json::json;
use std::sync::Arc;

/// The points that there are for it. A refusal is tried again, a closing is not.
pub const POINTS: [Point; 9] = [
    Point::Refused,
    Point::CrashBefore,
    Point::HalfWay,
    Point::CrashDuring,
    Point::AnswerLost,
    Point::CrashAfter,
    Point::TimedOut,
    Point::UndoRefused,
    Point::UndoLost,
];

async fn rig() -> (Rig, Repository) {
    let repository = Repository::start(&[]).await;
    let rig = Rig::start().await;
    let token = rig.dir.path().join("token");
    std::fs::write(&token, "ghp_not-a-real-token-at-all").expect("written");
    let config = json!({ "pull_requests": {
        "token": { "file": token }, "url": repository.url, "repository": "example/shop",
    } });
    let config: ConnectorsConfig = serde_json::from_value(config).expect("a configuration");
    rig.world.propose_at(Arc::new(World::new(&config, &[]).expect("a world")));
    (rig, repository)
}

/// One field: one pull request in the end, and where a person closes it, none that is open or a word that it is.
pub async fn field(point: Point, answers: &[Answer]) -> Result<(), String> {
    let (mut rig, repository) = rig().await;
    rig.break_payment_until(Some(ActionKind::Restart));
    // The fix comes before it.
    let opening = if point.is_of_undo() { &[][..] } else { answers };
    rig.world.answer(&[&[Answer::Apply], opening].concat());
    let is_open = |i: &Incident| {
        let known = |outcome: &Option<EffectOutcome>| {
            matches!(outcome, Some(EffectOutcome::Applied { .. } | EffectOutcome::Failed { .. }))
        };
        i.state == State::Resolved && i.proposals.iter().any(|one| known(&one.outcome))
    };
    for _ in 0..TICKS_MAX {
        rig = tick(rig).await;
        if rig.incidents().await.iter().any(is_open) {
            break;
        }
    }
    let incident = rig.incident().await;
    if repository.pulls().len() != 1 || !is_open(&incident) {
        return Err(format!("{} pull requests\n{}", repository.pulls().len(), rig.story().await));
    }
    if !point.is_of_undo() {
        return Ok(());
    }
    rig.world.answer(&answers[1..]);
    let (target, incident) = (incident.component().clone(), incident.id);
    let action = Action::PullRequest { target, incident, proposal: None, open: false };
    let by = Caller::new(Way::ApiKey, "ann");
    let told = rig.engine.act(ActRequest { action, by, reason: "not now".into(), once: None }).await;
    let told = told.map_err(|error| error.to_string())?.outcome;
    for _ in 0..20 {
        rig = tick(rig).await;
    }
    let is_closed = repository.pulls()[0]["state"] == "closed" && repository.branches().len() == 1;
    let is_said = matches!(told, Some(EffectOutcome::NotApplied { .. }));
    if is_closed == is_said {
        Err(format!("closed {is_closed}, {told:?}\n{}", rig.story().await))
    } else {
        Ok(())
    }
}
