//! Other policies on recorded incidents.

use crate::harness::Rig;
use midwatch_engine::{Backtest, Count, read_policy};
use midwatch_incident::State;
use midwatch_model::decision::{Decision, Mode};

async fn resolved() -> Rig {
    let rig = Rig::start().await;
    rig.break_payment();
    rig.until_state(State::Resolved).await;
    rig
}

async fn test(rig: &Rig, policy: &str, mode: Option<Mode>) -> Backtest {
    let policy = read_policy(policy).expect("a policy");
    rig.engine.backtest(&policy, 86_400.0, mode).await.expect("readable")
}

#[tokio::test]
async fn the_same_policy_changes_nothing() {
    let rig = resolved().await;
    let found = test(&rig, "", None).await;
    assert_eq!(
        (found.incidents, found.different, found.incomplete, found.unknown),
        (1, 0, 0, 0),
        "{found:#?}"
    );
    assert!(found.decisions > 0);
    assert_eq!((found.actions, found.pages), (Count { was: 1, would: 1 }, Count { was: 0, would: 0 }));
}

/// What a policy would have made of the restart that was done by itself.
async fn check(rig: &Rig, policy: &str, mode: Option<Mode>, would: Decision, because: &str) {
    let found = test(rig, policy, mode).await;
    let [difference] = found.differences.as_slice() else { panic!("{policy}: {found:#?}") };
    assert_eq!((difference.was, difference.would), (Decision::Auto, would), "{policy}");
    assert!(difference.because.contains(because) && difference.action.contains("Restart"), "{difference:?}");
    assert!(!difference.incomplete);
    assert_eq!(
        (found.actions, found.pages),
        (Count { was: 1, would: 0 }, Count { was: 0, would: 1 }),
        "{policy}"
    );
}

#[tokio::test]
async fn a_policy_that_narrows_shows_where_people_would_have_been_asked() {
    let rig = resolved().await;
    let forbid = r#"@id("no-restart") forbid (principal, action == Action::"restart", resource);"#;
    check(&rig, forbid, None, Decision::Deny, "no-restart").await;
    let unsure = r#"@id("unsure") forbid (principal, action, resource) when { context.confidence < 1000 };"#;
    check(&rig, unsure, None, Decision::Deny, "unsure").await;
    let ask = r#"@id("ask") @advice("require_approval") permit (principal, action, resource);"#;
    check(&rig, ask, None, Decision::NeedsApproval, "ask").await;
    check(&rig, "", Some(Mode::Propose), Decision::NeedsApproval, "propose").await;
    let agent = r#"@id("people") permit (principal is Human, action, resource);"#;
    check(&rig, agent, None, Decision::Deny, "no policy permits it").await;
    let other = r#"forbid (principal, action, resource == Service::"order");"#;
    assert_eq!(test(&rig, other, None).await.different, 0);
    assert!(rig.world.applied().len() == 1 && read_policy("forbid (").is_err());
    rig.assert_sound().await;
}

#[tokio::test]
async fn what_a_dry_run_would_have_done_counts_as_done() {
    let rig = Rig::with(|config| config.dry_run = true, "").await;
    rig.break_payment();
    rig.until("a dry run", |incident| incident.would_have_acted).await;
    let same = test(&rig, "", None).await;
    assert_eq!((same.actions, same.cut), (Count { was: 1, would: 1 }, false), "{same:#?}");
    let none = r#"@id("none") forbid (principal, action, resource);"#;
    assert_eq!(test(&rig, none, None).await.actions, Count { was: 1, would: 0 });
}

#[tokio::test]
async fn what_is_older_than_asked_for_is_left_out() {
    let rig = resolved().await;
    let policy = read_policy("").expect("a policy");
    let found = rig.engine.backtest(&policy, 1.0, None).await.expect("readable");
    assert_eq!(found.incidents, 0);
}
