//! The guards as an incident meets them: hold back, then act; or never act.

use crate::harness::{FAULT_AT_S, Rig, alert, outcomes, restart, scale};
use crate::world::Answer;
use midwatch_engine::ActRequest;
use midwatch_incident::{Incident, State};
use midwatch_model::decision::{Guard, Principal};
use midwatch_model::journal::{
    EffectOutcome, Entry, Intent, Line, Registration, StreamId, VerificationOutcome,
};
use midwatch_model::{Action, ActionKind, Cause, PlanHash, after, seconds_between};
use midwatch_store::{Append, Commit};

fn failed(incident: &Incident) -> Vec<Guard> {
    incident.gate.iter().flat_map(|record| record.failed()).map(|g| g.guard).collect()
}

async fn held_back_by(rig: &Rig, guard: Guard) -> Incident {
    rig.until("held back", |incident| failed(incident) == [guard]).await
}

#[tokio::test]
async fn nothing_is_done_while_the_watch_warms_up_also_after_a_restart() {
    let rig = Rig::with(|config| config.decision.warm_up_ticks = 60, "").await;
    rig.break_payment();
    held_back_by(&rig, Guard::WarmUp).await;
    rig.ticks(10).await;
    assert!(rig.world.calls().is_empty());

    let rig = rig.reopen().await;
    rig.ticks(58).await;
    assert!(rig.world.calls().is_empty(), "a new process warms up anew");
    rig.until_state(State::Resolved).await;
    assert_eq!(rig.world.applied(), [restart()]);
}

#[tokio::test]
async fn the_rate_limit_counts_what_people_did_and_passes_with_time() {
    let rig =
        Rig::with(|config| (config.decision.rate_max, config.decision.rate_window_s) = (1, 90.0), "").await;
    rig.break_payment();
    rig.ticks(20).await;
    let request = ActRequest { action: scale(3), by: "ann".into(), reason: "more room".into(), once: None };
    let done = rig.engine.act(request).await.expect("a person's action");
    assert!(matches!(done.outcome, Some(EffectOutcome::Applied { .. })), "{done:?}");
    let acted_at = rig.now();

    held_back_by(&rig, Guard::RateLimit).await;
    rig.until_state(State::Resolved).await;
    assert_eq!(rig.world.applied(), [scale(3), restart()]);
    let incident = rig.incident().await;
    let waited = seconds_between(acted_at, incident.effects[0].intended_at);
    assert!((90.0..94.0).contains(&waited), "{waited} s");
}

#[tokio::test]
async fn one_action_at_a_time_holds_across_incidents_and_people() {
    let rig = Rig::with(|config| config.decision.cooldown_s = 0.0, "").await;
    rig.break_payment();
    rig.ticks(20).await;
    let key = reserve_for_another_incident(&rig).await;
    held_back_by(&rig, Guard::OneAtATime).await;
    rig.ticks(20).await;
    assert!(rig.world.calls().is_empty());

    let outcome = EffectOutcome::NotApplied { reason: "the other incident gave up".into() };
    append_to_payment(&rig, Entry::Performed { key, outcome, reconciled: false }).await;
    rig.until_state(State::Resolved).await;
    assert_eq!(rig.world.applied(), [restart()]);
}

/// Another incident has intended something for the payment service and its end is not known.
async fn reserve_for_another_incident(rig: &Rig) -> midwatch_model::ActionKey {
    let key = midwatch_model::ActionKey::from("incident-inc-other-7");
    let intent = Intent {
        key: key.clone(),
        incident: Some("inc-other".into()),
        plan: PlanHash::from("other"),
        step: 0,
        principal: Principal::Agent,
        action: Action::RestartDbPool { target: "payment".into() },
        undo: None,
        undoes: None,
        before: rig.world.target_of("payment"),
        deadline: after(rig.now(), 10.0),
    };
    append_to_payment(rig, Entry::Intended { intent }).await;
    key
}

async fn append_to_payment(rig: &Rig, entry: Entry) {
    let stream = StreamId::Service("payment".into());
    let expected = rig.engine.store.read(&stream).await.expect("a stream").len();
    let append = Append { stream, expected, lines: vec![Line::new(rig.now(), entry)] };
    rig.engine.store.commit(Commit { appends: vec![append], ..Commit::default() }).await.expect("a commit");
}

/// Callers of the payment service whose names sort behind its own.
const CALLERS: [&str; 9] = ["q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q9"];

#[tokio::test]
async fn two_incidents_of_one_service_never_act_in_the_same_tick() {
    let rig = Rig::with(
        |config| {
            // Both incidents are ready when the warm-up ends.
            config.decision.warm_up_ticks = 60;
            config.incident.window_s = 10.0;
            // The second incident has so many suspects to ask that the first one acts meanwhile.
            config.services.extend(CALLERS.map(|name| Registration {
                name: name.into(),
                depends_on: vec!["payment".into()],
                ..Registration::default()
            }));
        },
        "",
    )
    .await;
    rig.world.slow_down("payment", after(rig.now(), FAULT_AT_S), None);
    rig.until("diagnosed", |incident| incident.plan.is_some()).await;
    rig.ticks(10).await;
    let late = CALLERS.map(|name| alert(&format!("sig-{name}"), name, Cause::LatencySpike, rig.now()));
    rig.tell(&late).await.expect("taken in");
    rig.ticks(10).await;
    let planned = rig.incidents().await.iter().filter(|i| i.plan.is_some()).count();
    assert_eq!(planned, 2, "{}", rig.story().await);
    assert!(rig.world.calls().is_empty());

    rig.ticks(40).await;
    let intents: Vec<_> = rig.incidents().await.into_iter().flat_map(|i| i.effects).collect();
    let restarts = intents.iter().filter(|e| e.intent.action == restart()).count();
    assert_eq!(restarts, 1, "{}", rig.story().await);
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_service_that_another_incident_acts_upon_is_left_alone_and_the_reason_is_told() {
    let rig = Rig::start().await;
    rig.break_payment();
    rig.ticks(20).await;
    reserve_for_another_incident(&rig).await;
    let told = |incident: &midwatch_incident::Incident| {
        let failed = incident.gate.iter().flat_map(|gate| gate.failed());
        failed.map(|guard| guard.reason.clone()).any(|reason| reason.contains("for another incident"))
    };
    rig.until("held back by the cooldown", told).await;
    rig.ticks(3).await;
    assert!(rig.world.calls().is_empty());
}

#[tokio::test]
async fn a_person_and_the_watch_never_act_on_one_service_at_once() {
    for delay in 0..60 {
        let rig = Rig::start().await;
        rig.break_payment();
        // At the next tick the verdict has settled and the watch acts.
        rig.until("about to act", |incident| incident.gate.is_some()).await;
        rig.tick().await;
        assert!(rig.world.calls().is_empty());
        let person = async {
            // Reads of the store are the beat of a tick: every step of it is met.
            for _ in 0..delay {
                rig.engine.store.due(rig.now()).await.expect("readable");
            }
            let action = Action::RestartDbPool { target: "payment".into() };
            rig.engine
                .act(ActRequest { action, by: "ann".into(), reason: "a hunch".into(), once: None })
                .await
        };
        let (_, ticked) = tokio::join!(person, rig.try_tick());
        ticked.expect("a tick");
        rig.ticks(2).await;
        assert!(!rig.world.calls().is_empty());
        rig.assert_sound().await;
    }
}

#[tokio::test]
async fn the_same_dose_for_the_same_service_again_is_left_to_a_person() {
    let rig = Rig::with(
        |config| {
            config.incident.recurrence_window_s = 10.0;
            config.decision.repeat_window_s = 600.0;
            config.detection.dedup_s = 30.0;
        },
        "",
    )
    .await;
    rig.break_payment();
    rig.until_state(State::Closed).await;
    rig.break_payment();
    let mut second = None;
    for _ in 0..60 {
        rig.tick().await;
        second = rig.incidents().await.into_iter().nth(1).filter(|i| i.state == State::Escalated);
        if second.is_some() {
            break;
        }
    }
    let second = second.unwrap_or_else(|| panic!("no second incident was escalated"));
    assert!(second.effects.is_empty());
    let reasons = rig.escalations(&second.id).await;
    assert!(reasons[0].contains("this treats a symptom"), "{reasons:?}");
    assert_eq!(rig.world.applied(), [restart()]);
}

#[tokio::test]
async fn trouble_that_comes_back_during_the_soak_is_handed_to_a_person_and_not_dosed_again() {
    let rig = Rig::with(|config| config.verification.soak_s = 20.0, "").await;
    rig.break_payment();
    rig.until("soaking", |incident| incident.state == State::Soaking).await;
    rig.world.slow_down("payment", after(rig.now(), 2.0), Some(ActionKind::Restart));
    let incident = rig.until_state(State::Escalated).await;
    let entries = rig.entries(&incident.id).await;
    assert!(entries.contains(&"recurred"), "{entries:?}");
    assert!(!entries.contains(&"resolved"), "{entries:?}");
    assert_eq!(rig.world.applied(), [restart()]);
}

#[tokio::test]
async fn trouble_that_comes_back_after_the_recovery_reopens_the_same_incident() {
    // The detectors' silence about a series that signalled lately must not hide it.
    for dedup_s in [30.0, 300.0] {
        let rig = Rig::with(|config| config.detection.dedup_s = dedup_s, "").await;
        rig.break_payment();
        rig.until_state(State::Resolved).await;
        rig.world.slow_down("payment", after(rig.now(), 20.0), Some(ActionKind::Restart));
        let incident = rig.until_state(State::Escalated).await;
        assert!(rig.entries(&incident.id).await.contains(&"recurred"), "dedup {dedup_s} s");
        assert_eq!(rig.world.applied(), [restart()]);
    }
}

#[tokio::test]
async fn missing_samples_never_count_as_recovery() {
    let rig = Rig::start().await;
    rig.break_payment();
    rig.until("verifying", |incident| incident.state == State::Verifying).await;
    rig.world.set_silent(true);
    rig.ticks(60).await;
    let incident = rig.incident().await;
    let verified: Vec<_> = rig
        .lines(&incident.id)
        .await
        .iter()
        .filter_map(|l| match &l.entry {
            Entry::Verified { outcome, .. } => Some(*outcome),
            _ => None,
        })
        .collect();
    assert_eq!(verified, [VerificationOutcome::Unclear], "{}", rig.story().await);
    assert!(!rig.entries(&incident.id).await.contains(&"resolved"));
    assert_eq!(rig.world.applied(), [restart()], "without fresh telemetry nothing more is done");
    rig.assert_sound().await;
}

#[tokio::test]
async fn missing_samples_do_not_end_a_soak_well() {
    let rig = Rig::start().await;
    rig.break_payment();
    rig.until("soaking", |incident| incident.state == State::Soaking).await;
    rig.world.set_silent(true);
    rig.ticks(15).await;
    assert_eq!(rig.incident().await.state, State::Soaking);
    rig.world.set_silent(false);
    rig.until_state(State::Resolved).await;
}

#[tokio::test]
async fn a_target_that_somebody_else_changed_is_looked_at_anew() {
    let rig = Rig::start().await;
    rig.break_payment_until(None);
    // Between the look at the target and the call, for the scaling as well as for its undo.
    rig.until("restarted", |incident| outcomes(incident) == ["applied"]).await;
    rig.world.touch("payment");
    rig.world.answer(&[Answer::Apply]);
    rig.until_state(State::Escalated).await;
    assert_eq!(
        rig.world.applied(),
        [restart(), scale(4), Action::Scale { target: "payment".into(), replicas: 2 }]
    );
    rig.assert_sound().await;
}
