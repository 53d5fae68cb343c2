//! Levels per combination, what the record proves, and which outcomes make it.

use crate::ask::{Ask, now, restart};
use crate::gate::{NONE, approved, check};
use midwatch_decision::{AutonomyRule, Profile, TrackRecord, TrialOutcome};
use midwatch_model::decision::{Combination, Decision, Mode};
use midwatch_model::journal::{Entry, Line};
use midwatch_model::{ActionKind, Cause};

fn set(ask: &mut Ask, level: Mode, cause: Cause) {
    let combination = Combination { action: ActionKind::Restart, service: "payment".into(), cause };
    let (by, reason) = ("ann".into(), "a hunch".into());
    ask.action = restart();
    ask.set.push(Line::new(now(), Entry::AutonomySet { combination, level, by, reason }));
}

#[test]
fn a_level_holds_for_its_combination_in_mode_auto() {
    use Decision::{Auto, Deny, NeedsApproval};
    const CAUSE: Cause = Cause::LatencySpike;
    check(&[
        (
            "propose",
            |a| set(a, Mode::Propose, CAUSE),
            NeedsApproval,
            NONE,
            "ann set restart on payment to propose: a hunch",
        ),
        ("shadow", |a| set(a, Mode::Shadow, CAUSE), Deny, NONE, "midwatch only watches here"),
        (
            "shadow, approved",
            |a| {
                set(a, Mode::Shadow, CAUSE);
                approved(a);
            },
            Auto,
            NONE,
            "a person approved",
        ),
        ("another cause", |a| set(a, Mode::Shadow, Cause::MemoryLeak), Auto, NONE, "mode is auto"),
        (
            "the last one counts",
            |a| {
                set(a, Mode::Shadow, CAUSE);
                set(a, Mode::Auto, CAUSE);
            },
            Auto,
            NONE,
            "mode is auto",
        ),
        (
            "beside the rules",
            |a| {
                set(a, Mode::Auto, CAUSE);
                a.config.autonomy =
                    vec![AutonomyRule { service: Some("order".into()), ..AutonomyRule::default() }];
            },
            Auto,
            NONE,
            "mode is auto",
        ),
        (
            "mode propose stays",
            |a| {
                set(a, Mode::Auto, CAUSE);
                a.mode = Mode::Propose;
            },
            NeedsApproval,
            NONE,
            "mode is propose",
        ),
        (
            "mode shadow stays",
            |a| {
                set(a, Mode::Auto, CAUSE);
                a.mode = Mode::Shadow;
            },
            Deny,
            NONE,
            "mode is shadow",
        ),
        (
            "an action that is not on the list",
            |a| {
                set(a, Mode::Auto, CAUSE);
                a.config.autonomy_loop.actions = vec![ActionKind::Rollback];
            },
            NeedsApproval,
            NONE,
            "restart is not among the [autonomy] actions",
        ),
    ]);
}

#[test]
fn the_record_has_earned_what_it_proves_at_least() {
    let check = |recovered: u64, failed: u64, profile: Profile, earned: bool| {
        let mut record = TrackRecord::default();
        (0..recovered).for_each(|_| record.add(TrialOutcome::Recovered));
        (0..failed).for_each(|_| record.add(TrialOutcome::Regressed));
        assert_eq!(record.earned(profile).is_some(), earned, "{record:?} {profile:?}");
    };
    check(0, 0, Profile::Eager, false);
    check(8, 0, Profile::Eager, false);
    check(9, 0, Profile::Eager, true);
    check(15, 0, Profile::Balanced, false);
    check(16, 0, Profile::Balanced, true);
    check(16, 1, Profile::Balanced, false);
    check(34, 0, Profile::Cautious, false);
    check(35, 0, Profile::Cautious, true);
}
