use super::*;
use midwatch_model::{Alarm, Breach, Foretold, after};

const HORIZON_S: f64 = 900.0;

enum Happens {
    Says(u16),
    Alarm,
    Ends(AlarmEnd),
    Breaks,
    Keeps,
}
use Happens::*;

fn event(happens: &Happens) -> ForecastEvent {
    let service = ServiceName::new("a");
    match happens {
        Says(permille) => ForecastEvent::Foretold(Foretold {
            model: "m".into(),
            horizon_s: HORIZON_S,
            permille: BTreeMap::from([(service, *permille)]),
        }),
        Alarm => ForecastEvent::AlarmRaised(Alarm {
            service,
            tier: Tier::High,
            probability: 0.8,
            confidence: 0.9,
            minutes: 5.0,
            horizon_s: HORIZON_S,
            model: "m".into(),
            path: vec![],
            moved: vec![],
        }),
        Ends(end) => ForecastEvent::AlarmEnded { service, end: *end, reason: String::new() },
        Breaks => ForecastEvent::ObjectiveBreached { service, by: Breach::Errors, reason: String::new() },
        Keeps => ForecastEvent::ObjectiveMet { service },
    }
}

/// A line a minute with 10 %, and in between at minutes what happens.
fn folded(minutes: u32, happenings: &[(f64, Happens)]) -> Ledger {
    let mut all: Vec<(f64, ForecastEvent)> =
        (0..minutes).map(|m| (f64::from(m), event(&Says(100)))).collect();
    all.extend(happenings.iter().map(|(minute, happens)| (*minute, event(happens))));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut ledger = Ledger::default();
    let lines: Vec<Line> = all
        .into_iter()
        .map(|(minute, event)| {
            Line::new(after(Timestamp::UNIX_EPOCH, minute * 60.0), Entry::Forecast { event })
        })
        .collect();
    // Folded in two parts, with what is kept through a restart in between.
    let (first, second) = lines.split_at(lines.len() / 2);
    ledger.take(first);
    let json = serde_json::to_string(&ledger).expect("plain data");
    ledger = serde_json::from_str(&json).expect("what was written");
    ledger.take(second);
    ledger
}

fn summary(ledger: &Ledger) -> Summary {
    ledger.rows()[0].summary.clone()
}

/// Hits, misses, false alarms, averted, unknown.
fn check(what: &str, minutes: u32, happenings: &[(f64, Happens)], expected: [u64; 5]) {
    let found = summary(&folded(minutes, happenings));
    let counts = [found.hits, found.missed, found.false_alarms, found.averted, found.unknown];
    assert_eq!(counts, expected, "{what}");
}

#[test]
fn an_alarm_is_graded_by_what_happened_within_the_horizon() {
    check("it breached", 40, &[(5.5, Alarm), (10.0, Breaks)], [1, 0, 0, 0, 0]);
    check("it breached later", 60, &[(5.5, Alarm), (25.0, Breaks)], [0, 1, 1, 0, 0]);
    check("nothing happened", 40, &[(5.5, Alarm), (20.6, Ends(AlarmEnd::Expired))], [0, 0, 1, 0, 0]);
    check(
        "it passed too early",
        40,
        &[(5.5, Alarm), (7.5, Ends(AlarmEnd::Passed)), (9.5, Breaks)],
        [1, 0, 0, 0, 0],
    );
    check("it was averted", 40, &[(5.5, Alarm), (7.5, Ends(AlarmEnd::Averted))], [0, 0, 0, 1, 0]);
    check(
        "acted upon in vain",
        40,
        &[(5.5, Alarm), (7.5, Ends(AlarmEnd::Averted)), (9.5, Breaks)],
        [1, 0, 0, 0, 0],
    );
    check("lost", 40, &[(5.5, Alarm), (7.5, Ends(AlarmEnd::Lost))], [0, 0, 0, 0, 1]);
    check("not over yet", 10, &[(5.5, Alarm)], [0, 0, 0, 0, 0]);
}

#[test]
fn a_breach_without_an_alarm_is_a_miss_if_there_were_forecasts() {
    check("missed", 40, &[(20.5, Breaks)], [0, 1, 0, 0, 0]);
    check("missed twice", 60, &[(20.5, Breaks), (25.5, Keeps), (40.5, Breaks)], [0, 2, 0, 0, 0]);
    let mut ledger = Ledger::default();
    ledger.apply(Timestamp::UNIX_EPOCH, &event(&Breaks));
    assert_eq!(ledger.rows(), [], "no model had said anything");
}

#[test]
fn what_was_not_watched_to_the_end_is_not_graded() {
    let mut ledger = folded(10, &[(5.5, Alarm)]);
    ledger.apply(after(Timestamp::UNIX_EPOCH, 3600.0), &event(&Says(100)));
    let found = summary(&ledger);
    assert_eq!((found.unknown, found.false_alarms, found.forecasts), (1, 0, 0));
}

#[test]
fn probabilities_are_graded_each_minute() {
    let found = summary(&folded(60, &[(30.5, Breaks), (31.0, Keeps)]));
    // Those of the last fifteen minutes before the breach came true; those of the last fifteen before the end wait.
    assert_eq!(found.base_rate.map(|rate| (rate * found.forecasts as f64).round()), Some(15.0));
    let (rate, brier) = (found.base_rate.expect("graded"), found.brier.expect("graded"));
    assert!((brier - (rate * 0.81 + (1.0 - rate) * 0.01)).abs() < 1e-9, "{found:?}");
    assert_eq!(found.calibration.len(), 1);
    assert!((found.ece.expect("graded") - (rate - 0.1).abs()).abs() < 1e-9);
}

#[test]
fn lead_time_is_from_the_alarm_to_the_breach() {
    let ledger = folded(40, &[(5.5, Alarm), (10.0, Breaks)]);
    assert_eq!(summary(&ledger).median_lead_s, Some(270.0));
    let shown: Vec<_> = ledger.alarms().map(|alarm| (alarm.grade, alarm.lead_s)).collect();
    assert_eq!(shown, [(Some(AlarmGrade::Hit), Some(270.0))]);
}

#[test]
fn what_stands_by_the_record_is_taken_up_again() {
    let ledger = folded(10, &[(5.5, Alarm)]);
    let standing: Vec<_> = ledger.standing().map(|(service, s)| (service.to_string(), s.tier)).collect();
    assert_eq!(standing, [("a".to_owned(), Tier::High)]);
    assert_eq!(folded(10, &[(5.5, Alarm), (6.5, Breaks)]).standing().count(), 0);
    assert_eq!(folded(10, &[(6.5, Breaks)]).in_breach().count(), 1);
}

#[test]
fn autonomy_is_earned_by_the_record_and_lost_on_drift() {
    let hits = |count: u32| {
        let mut ledger = Ledger::default();
        for n in 0..count {
            let minute = f64::from(n) * 30.0;
            for happens in [Says(800), Alarm, Breaks, Keeps] {
                ledger.apply(after(Timestamp::UNIX_EPOCH, minute * 60.0), &event(&happens));
            }
        }
        ledger
    };
    let drift = |drifted| {
        let quantity = crate::window::Quantity::Cpu;
        [QuantityDrift { quantity, index: Some(0.3), from_training: None, drifted }]
    };
    assert!(matches!(hits(15).earned(0.8, &drift(false)), Earned::NotYet { graded: 15, .. }));
    assert!(matches!(hits(16).earned(0.8, &drift(false)), Earned::Yes { .. }));
    assert!(matches!(hits(16).earned(0.8, &drift(true)), Earned::LostOnDrift { .. }));
    assert!(matches!(Ledger::default().earned(0.8, &[]), Earned::NotYet { graded: 0, .. }));
}
