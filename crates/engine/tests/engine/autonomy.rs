//! Autonomy that is earned, given and lost.

use crate::harness::{Rig, TICKS_MAX, restart};
use midwatch_decision::{Approver, Profile};
use midwatch_engine::{EngineConfig, EngineError, Standing};
use midwatch_incident::{Incident, State};
use midwatch_model::decision::{Caller, Combination, Mode, Way};
use midwatch_model::{ActionKind, Cause, after};

fn restart_of_payment() -> Combination {
    Combination { action: ActionKind::Restart, service: "payment".into(), cause: Cause::LatencySpike }
}

async fn standing(rig: &Rig) -> Standing {
    let all = rig.engine.autonomy().await.expect("readable");
    let of = |standing: &&Standing| standing.combination == restart_of_payment();
    all.iter().find(of).unwrap_or_else(|| panic!("{all:?}")).clone()
}

async fn set(rig: &Rig, level: Mode, by: &str) -> Result<Standing, EngineError> {
    rig.engine.set_autonomy(&restart_of_payment(), level, &Caller::from(by), "a test").await
}

#[tokio::test]
async fn a_level_that_a_person_sets_holds_for_this_combination_and_through_a_restart() {
    for (level, asks) in [(Mode::Propose, true), (Mode::Shadow, false)] {
        let rig = Rig::start().await;
        let standing = set(&rig, level, "ann").await.expect("set");
        assert_eq!(standing.level.mode, level);
        let rig = rig.reopen().await;
        rig.break_payment();
        rig.until("gated", |incident| {
            incident.gate.as_ref().is_some_and(|gate| gate.because.contains("ann set restart"))
        })
        .await;
        rig.ticks(10).await;
        assert!(rig.world.calls().is_empty(), "{}", rig.story().await);
        assert_eq!(rig.incident().await.waiting.is_some(), asks, "{}", rig.story().await);
        set(&rig, Mode::Auto, "bob").await.expect("set");
        rig.until_state(State::Resolved).await;
        assert_eq!(rig.world.applied(), [restart()]);
        rig.assert_sound().await;
    }
}

#[tokio::test]
async fn what_comes_back_is_demoted_at_once_and_only_a_person_promotes_it_again() {
    let rig = Rig::with(|config| config.decision.autonomy_loop.promotes = true, "").await;
    rig.break_payment();
    rig.until_state(State::Resolved).await;
    assert_eq!((standing(&rig).await.level.mode, standing(&rig).await.record.recovered), (Mode::Auto, 1));
    rig.world.slow_down("payment", after(rig.now(), 10.0), None);
    rig.until("recurred", |incident| incident.recurred.is_some()).await;
    let lost = standing(&rig).await;
    assert_eq!((lost.level.mode, lost.record.recovered, lost.record.failed), (Mode::Propose, 0, 1));
    assert!(lost.level.why.contains("midwatch set restart on payment to propose"), "{}", lost.level.why);
    let rig = rig.reopen().await;
    assert_eq!(standing(&rig).await.level.mode, Mode::Propose, "it is known after a restart");
    rig.ticks(400).await;
    assert_eq!(standing(&rig).await.level.mode, Mode::Propose);
    assert_eq!(set(&rig, Mode::Auto, "ann").await.expect("set").level.mode, Mode::Auto);
    rig.assert_sound().await;
}

#[tokio::test]
async fn the_tool_promotes_nothing_that_its_record_has_not_earned() {
    for (promotes, profile) in [(false, Profile::Eager), (true, Profile::Cautious)] {
        let rig = Rig::with(
            |config: &mut EngineConfig| {
                config.mode = Mode::Auto;
                (config.decision.autonomy_loop.promotes, config.decision.autonomy_loop.profile) =
                    (promotes, profile);
                config.decision.autonomy_loop.interval_s = 20.0;
            },
            "",
        )
        .await;
        set(&rig, Mode::Propose, "ann").await.expect("set");
        rig.break_payment();
        let incident = rig.until("asked", |incident| incident.waiting.is_some()).await;
        let plan = incident.waiting.expect("it waits").plan;
        rig.engine.approve(&incident.id, &plan, "ann").await.expect("a yes");
        rig.until_state(State::Resolved).await;
        rig.ticks(30).await;
        let now = standing(&rig).await;
        assert_eq!((now.record.trials, now.record.recovered), (1, 1), "what people approve counts, too");
        assert_eq!((now.level.mode, now.suggestion), (Mode::Propose, None), "one of one proves little");
    }
}

/// Ticks until one of several incidents is so.
async fn until_any(rig: &Rig, wanted: impl Fn(&Incident) -> bool) -> Incident {
    for _ in 0..TICKS_MAX {
        rig.tick().await;
        if let Some(incident) = rig.incidents().await.into_iter().find(&wanted) {
            return incident;
        }
    }
    panic!("never:\n{}", rig.story().await);
}

#[tokio::test]
async fn what_the_record_has_earned_is_suggested_to_a_person() {
    let rig = Rig::with(
        |config: &mut EngineConfig| {
            config.mode = Mode::Propose;
            config.decision.autonomy_loop.enabled = true;
            (config.decision.autonomy_loop.profile, config.decision.autonomy_loop.interval_s) =
                (Profile::Eager, 20.0);
            (config.decision.repeat_window_s, config.decision.cooldown_s) = (1.0, 1.0);
            (config.detection.dedup_s, config.incident.recurrence_window_s) = (30.0, 40.0);
        },
        "",
    )
    .await;
    for round in 1..=9 {
        assert_eq!(
            rig.engine.autonomy().await.expect("readable").iter().find_map(|s| s.suggestion.clone()),
            None
        );
        rig.break_payment();
        let incident = until_any(&rig, |incident| incident.waiting.is_some()).await;
        let plan = incident.waiting.expect("it waits").plan;
        rig.engine.approve(&incident.id, &plan, "ann").await.expect("a yes");
        until_any(&rig, |now| now.id == incident.id && now.state == State::Closed).await;
        assert_eq!(standing(&rig).await.record.recovered, round, "{}", rig.story().await);
    }
    rig.ticks(30).await;
    let now = standing(&rig).await;
    let suggestion = now.suggestion.unwrap_or_else(|| panic!("{:?}", now.record));
    assert!(format!("{suggestion:?}").contains("9 of 9 trials recovered: at least 70 %"), "{suggestion:?}");
    assert!(now.set.is_none(), "a suggestion is no promotion: {:?}", now.set);
}

#[tokio::test]
async fn only_approvers_set_levels_and_only_for_what_midwatch_may_ask_for() {
    let ann = Approver { name: "ann".into(), slack: vec!["U1".into()], ..Approver::default() };
    let rig = Rig::with(|config| config.decision.approvers = vec![ann], "").await;
    let eve = Caller::new(Way::ApiKey, "eve-laptop");
    let refused =
        rig.engine.set_autonomy(&restart_of_payment(), Mode::Auto, &eve, "x").await.expect_err("a stranger");
    assert!(matches!(refused, EngineError::NotApprover(_)), "{refused}");
    let unknown = Combination { service: "nowhere".into(), ..restart_of_payment() };
    let refused =
        rig.engine.set_autonomy(&unknown, Mode::Auto, &Caller::from("ann"), "x").await.expect_err("unknown");
    assert!(matches!(refused, EngineError::UnknownService(..)), "{refused}");
    let cordon = Combination { action: ActionKind::Cordon, ..restart_of_payment() };
    let refused = rig
        .engine
        .set_autonomy(&cordon, Mode::Auto, &Caller::from("ann"), "x")
        .await
        .expect_err("not its to ask");
    assert!(refused.to_string().contains("only for a person"), "{refused}");
    assert!(set(&rig, Mode::Auto, "ann").await.is_ok());
}
