//! The server dies at every write, and in the middle of a call.

use crate::harness::{Rig, TICKS_MAX, alert, outcomes, restart};
use crate::world::Answer;
use midwatch_engine::ToldIncidents;
use midwatch_incident::{Incident, State};
use midwatch_model::{Action, Cause, IncidentId};
use midwatch_store::CrashPoint;
use sqlx::{ConnectOptions as _, Connection as _};
use std::collections::BTreeSet;

fn is_done(incidents: &[Incident]) -> bool {
    !incidents.is_empty() && incidents.iter().all(|i| i.state == State::Resolved && i.report_is_current)
}

/// Commits of a run that nothing disturbs: from when the store is open to the postmortem.
async fn commits_of_an_undisturbed_run() -> u64 {
    let rig = Rig::start().await;
    let before = rig.engine.store.commits();
    rig.break_payment();
    rig.until_state(State::Resolved).await;
    rig.engine.store.commits() - before
}

/// The server dies at its `nth` commit and another one takes over.
async fn check(nth: u64, point: CrashPoint, expected: &[Action]) {
    let mut rig = Rig::start().await;
    rig.break_payment();
    rig.engine.store.crash_at(nth, point);
    let mut crashes = 0;
    for _ in 0..TICKS_MAX {
        if rig.try_tick().await.is_err() {
            crashes += 1;
            rig = rig.reopen().await;
        }
        if is_done(&rig.incidents().await) {
            break;
        }
    }
    let at = format!("crash {point:?} commit {nth}");
    let incidents = rig.incidents().await;
    assert!(is_done(&incidents), "{at}:\n{}", rig.story().await);
    assert_eq!(incidents.len(), 1, "{at}:\n{}", rig.story().await);
    assert_eq!(crashes, 1, "{at}");
    assert_eq!(rig.world.applied(), expected, "{at}:\n{}", rig.story().await);
    assert!(rig.engine.store.intake_pending(10).await.expect("rows").is_empty(), "{at}");
    let report = incidents[0].report.as_ref().expect("a report");
    assert!(std::path::Path::new(report).is_file(), "{at}: {report}");
    rig.assert_sound().await;
}

async fn check_every_commit(point: CrashPoint) {
    let commits = commits_of_an_undisturbed_run().await;
    assert!(commits > 30, "{commits} commits are too few for a whole incident");
    for nth in 1..=commits {
        check(nth, point, &[restart()]).await;
    }
}

#[tokio::test]
async fn a_crash_before_any_commit_loses_nothing_and_repeats_nothing() {
    check_every_commit(CrashPoint::Before).await;
}

#[tokio::test]
async fn a_crash_after_any_commit_loses_nothing_and_repeats_nothing() {
    check_every_commit(CrashPoint::After).await;
}

/// The server dies while the control plane is being called, and again right after it came back.
async fn check_mid_call(applied: bool, expected: &[&str]) {
    let rig = Rig::start().await;
    rig.break_payment();
    rig.world.answer(&[Answer::Hang { applied }]);
    let mut called = false;
    for _ in 0..TICKS_MAX {
        tokio::select! {
            biased;
            () = rig.world.hanging.notified() => called = true,
            result = rig.try_tick() => result.expect("a tick"),
        }
        if called {
            break;
        }
    }
    assert!(called, "{}", rig.story().await);
    assert_eq!(outcomes(&rig.incident().await), ["pending"]);

    let rig = rig.reopen().await;
    rig.tick().await;
    assert_eq!(outcomes(&rig.incident().await), ["pending"], "nobody may look before the call has timed out");
    let rig = rig.reopen().await;
    let incident = rig.until_state(State::Resolved).await;
    assert_eq!(outcomes(&incident), expected, "{}", rig.story().await);
    assert_eq!(rig.world.applied(), [restart()]);
    let keys: BTreeSet<_> = rig.world.calls().into_iter().collect();
    assert_eq!(keys.len(), expected.len(), "every call has its own key: {keys:?}");
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_call_that_was_cut_off_after_the_target_acted_is_found_and_not_made_again() {
    check_mid_call(true, &["applied"]).await;
}

#[tokio::test]
async fn a_call_that_was_cut_off_before_the_target_acted_is_made_anew_under_a_new_key() {
    check_mid_call(false, &["not_applied", "applied"]).await;
}

#[tokio::test]
async fn a_signal_survives_a_store_that_takes_nothing_at_that_moment() {
    let rig = Rig::start().await;
    rig.break_payment();
    // Two ticks after the onset: the third suspicious sample, which makes the signal, meets a locked store.
    rig.ticks(22).await;
    assert!(rig.incidents().await.is_empty());
    let lock = LockedStore::lock(&rig.store_path()).await;
    let error = rig.try_tick().await.expect_err("nothing can be written");
    assert!(error.to_string().contains("the store takes nothing now"), "{error}");
    lock.release().await;

    let incident = rig.until_state(State::Resolved).await;
    assert!(incident.services().contains(&"payment".into()), "{}", rig.story().await);
    assert!(incident.services().contains(&"order".into()), "{}", rig.story().await);
    assert_eq!(rig.world.applied(), [restart()]);
    rig.assert_sound().await;
}

/// A retry that comes while the first try waits for the lock is not taken for a repetition of what then is not kept.
#[tokio::test]
async fn what_rests_on_a_write_that_failed_is_not_acknowledged() {
    let rig = Rig::start().await;
    let told = [alert("sig-a", "payment", Cause::ErrorRateSpike, rig.now())];
    let lock = LockedStore::lock(&rig.store_path()).await;
    let first = async {
        let first = rig.tell(&told).await;
        lock.release().await;
        first
    };
    let (first, second) = tokio::join!(first, rig.tell(&told));
    assert!(first.is_err() && second.is_err(), "{first:?} {second:?}");
    let ids = rig.tell(&told).await.expect("the lock is gone").accepted;
    assert!(rig.engine.store.intake(ids[0].as_str()).await.expect("readable").is_some());
    rig.engine.settle().await.expect("written");
    let told_before: Vec<_> = rig.engine.store.deliveries_not_told().await.expect("readable");
    assert!(told_before.is_empty(), "{told_before:?}");

    let rig = rig.reopen().await;
    assert_eq!(rig.tell(&told).await.expect("taken").accepted, ids, "it is still known");
    rig.engine.settle().await.expect("settled");
    assert_eq!(rig.incident().await.signals.len(), 1);
}

/// Another process that holds the database's write lock.
struct LockedStore(sqlx::SqliteConnection);

impl LockedStore {
    async fn lock(path: &std::path::Path) -> Self {
        use sqlx::{ConnectOptions as _, Executor as _};
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let mut connection = options.connect().await.expect("a connection");
        connection.execute("BEGIN IMMEDIATE").await.expect("the lock");
        Self(connection)
    }

    async fn release(self) {
        use sqlx::Connection as _;
        self.0.close().await.expect("closed");
    }
}

/// Somebody changes the file behind the server's back.
async fn change_a_record_of(rig: &Rig, id: &IncidentId) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(rig.store_path());
    let mut db = options.connect().await.expect("a connection");
    let done = sqlx::query("UPDATE records SET bytes = bytes || ' ' WHERE stream = ? AND seq = 1")
        .bind(format!("incident/{id}"))
        .execute(&mut db)
        .await
        .expect("an update");
    assert_eq!(done.rows_affected(), 1);
    db.close().await.expect("closed");
}

#[tokio::test]
async fn one_damaged_incident_stops_neither_the_start_nor_the_others() {
    let rig = Rig::with(|config| config.told_incidents = ToldIncidents::All, "").await;
    rig.tell(&[alert("a", "billing", Cause::LatencySpike, rig.now())]).await.expect("taken");
    rig.tick().await;
    let damaged = rig.incident().await.id;
    change_a_record_of(&rig, &damaged).await;
    let rig = rig.reopen_with(|_| {}).await;
    rig.tell(&[alert("b", "search", Cause::LatencySpike, rig.now())])
        .await
        .expect("taken while another incident is damaged");
    for _ in 0..5 {
        let error = rig.try_tick().await.expect_err("the damage is not passed over in silence");
        assert!(error.to_string().contains("the journal does not hold"), "{error}");
    }
    assert_eq!(rig.handling("b").await, ["received", "opened"]);
    let open = rig.engine.store.incidents(true, 10).await.expect("rows");
    let other = open.iter().find(|row| row.id != damaged.as_str()).expect("the other incident");
    assert!(rig.lines(&IncidentId::new(&other.id)).await.len() > 1, "the other one is worked on");
}
