//! What is put on record: a line a minute with all probabilities, a line for each turn of an alarm and of an objective, and a
//! signal for an alarm that opens an incident.

use super::{Foresight, Latest, State};
use crate::observe::received;
use crate::{Engine, EngineError};
use jiff::civil::Date;
use midwatch_model::journal::{Entry, Line, StreamId};
use midwatch_model::{
    Ahead, Alarm, Cause, Evidence, EvidenceSource, ForecastEvent, Foretold, Metric, ServiceName, Severity,
    Signal, SignalId, SignalKind, Tier, Timestamp, after, promql, seconds_between,
};
use midwatch_prediction::model::{Forecast, Moved};
use midwatch_prediction::serving::{Judged, Ledger, Remembered, Turn, judge};
use midwatch_prediction::window::{Quantity, Window};
use midwatch_store::{Append, Commit, IntakeRow, Store};
use serde::{Deserialize, Serialize};

/// Name of the snapshot that holds what is usual, the ledger and how far it has read.
const SNAPSHOT: &str = "foresight";

/// Lines of forecasts within a horizon: one a minute at 15 minutes.
const LINES_PER_HORIZON: f64 = 15.0;

/// Lines that wait for the store at most; the oldest are forgotten, which the ledger sees as not having watched.
const LINES_MAX: usize = 1000;

/// Days of forecasts that are read at most where no snapshot is.
const DAYS_MAX: usize = 30;

/// Quantities that an alarm names at most, and what each must add to the probability to be named.
const MOVED_MAX: usize = 3;
const INFLUENCE_MIN: f64 = 0.01;

/// The name that an alarm's signal carries.
const NAME: &str = "MidwatchForecast";

/// The stream that is written to, and how many records it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head(Option<(Date, u64)>);

/// What survives a restart.
#[derive(Default)]
pub(super) struct Saved {
    pub remembered: Option<Remembered>,
    pub ledger: Ledger,
    pub head: Head,
}

#[derive(Serialize, Deserialize)]
struct Snapshot<L, R> {
    day: Date,
    seq: u64,
    ledger: L,
    remembered: R,
}

impl Saved {
    /// What the last snapshot holds, and what is on record since.
    pub async fn load(store: &Store, now: Timestamp) -> Result<Self, EngineError> {
        let mut saved = Self::default();
        let mut read_up_to = None;
        if let Some((_, bytes)) = store.snapshot(SNAPSHOT).await? {
            match serde_json::from_slice::<Snapshot<Ledger, Remembered>>(&bytes) {
                Ok(found) => {
                    saved.ledger = found.ledger;
                    saved.remembered = Some(found.remembered);
                    read_up_to = Some((found.day, found.seq));
                }
                Err(error) => {
                    tracing::warn!(%error, "what was saved of forecasts cannot be read; the record is read anew")
                }
            }
        }
        let mut days: Vec<Date> = store.streams("forecasts/").await?.into_iter().filter_map(day_of).collect();
        days.sort_unstable();
        let from = read_up_to.map_or_else(
            || days.len().saturating_sub(DAYS_MAX),
            |(day, _)| days.partition_point(|d| *d < day),
        );
        for day in &days[from..] {
            let Some(journal) = store.read_intact(&StreamId::Forecasts(*day)).await? else { continue };
            let known = read_up_to.filter(|(of, _)| of == day).map_or(0, |(_, seq)| seq as usize);
            saved.ledger.take(journal.lines().get(known..).unwrap_or_default());
            saved.head = Head(Some((*day, journal.len())));
        }
        if saved.head.0.is_some_and(|(day, _)| day != today(now)) {
            saved.head = Head::default();
        }
        Ok(saved)
    }
}

fn day_of(stream: StreamId) -> Option<Date> {
    match stream {
        StreamId::Forecasts(day) => Some(day),
        _ => None,
    }
}

fn today(now: Timestamp) -> Date {
    now.to_zoned(jiff::tz::TimeZone::UTC).date()
}

impl State {
    pub(super) fn put_down(&mut self, at: Timestamp, event: ForecastEvent) {
        self.lines.push(Line::new(at, Entry::Forecast { event }));
        if self.lines.len() > LINES_MAX {
            self.lines.remove(0);
        }
    }

    fn turned(&mut self, at: Timestamp, turns: Vec<Turn>) -> Vec<(ServiceName, Tier)> {
        let mut raised = Vec::new();
        for turn in turns {
            match turn {
                Turn::Raised { service, tier } => raised.push((service, tier)),
                Turn::Turned { service, tier, probability } => {
                    tracing::info!(%service, %tier, probability, "a forecast has turned");
                    self.put_down(at, ForecastEvent::AlarmTurned { service, tier, probability });
                }
                Turn::Ended { service, end, reason } => {
                    self.ended.insert(service.clone(), reason.clone());
                    tracing::info!(%service, end = <&str>::from(end), reason, "a forecast is over");
                    self.put_down(at, ForecastEvent::AlarmEnded { service, end, reason });
                }
            }
        }
        raised
    }

    pub(super) fn end_alarms(&mut self, at: Timestamp) {
        let turns = self.alarms.end_all();
        self.turned(at, turns);
    }
}

impl Foresight {
    /// Takes a forecast; the alarms that it raises.
    pub(super) fn judged(
        &self,
        at: Timestamp,
        window: &Window,
        forecast: Forecast,
    ) -> Vec<(ServiceName, Tier)> {
        let mut state = self.state();
        let judged = judge(&forecast, window, Some(&state.live), &state.settings, self.serving.is_trained());
        let (breached, settings) = (std::mem::take(&mut state.breached), state.settings);
        let turns = state.alarms.tick(at, &judged, &breached, &settings, self.horizon_s);
        let raised = state.turned(at, turns);
        let every_s = self.horizon_s / LINES_PER_HORIZON;
        let is_due = state.told_at.is_none_or(|told| seconds_between(told, at) >= every_s);
        // Of what is still warming up, nothing is graded.
        if is_due && state.live.is_warm() {
            state.told_at = Some(at);
            let foretold = Foretold {
                model: self.serving.name(),
                horizon_s: self.horizon_s,
                permille: judged.iter().filter_map(Judged::gradable).collect(),
            };
            state.put_down(at, ForecastEvent::Foretold(foretold));
        }
        state.latest = Some(Latest { at, window: window.clone(), forecast, judged });
        raised
    }
}

impl Engine {
    /// An alarm begins: with what moved, for the record and for an incident.
    pub(super) fn raise(&self, at: Timestamp, service: &ServiceName, tier: Tier, moved: &[Moved]) {
        let foresight = &self.foresight;
        let mut state = foresight.state();
        let Some(alarm) = state.alarm(service, tier, moved, foresight) else { return };
        tracing::warn!(%service, %tier, "foreseen: {}", sentence(&alarm));
        if state.settings.incidents {
            let id = SignalId::new(format!("sig-{}", self.ids.next(at)));
            let signal = signal(id, &alarm, moved, at, &self.config);
            state.signals.push(received(&signal, at, "midwatch's forecasts"));
        }
        state.put_down(at, ForecastEvent::AlarmRaised(alarm));
    }

    /// Appends what waits, and takes it into the ledger once it is durable.
    pub(super) async fn record_forecasts(&self) -> Result<(), EngineError> {
        let (lines, signals) = {
            let mut state = self.foresight.state();
            (std::mem::take(&mut state.lines), std::mem::take(&mut state.signals))
        };
        if lines.is_empty() {
            return Ok(());
        }
        let recorded = self.append_forecasts(lines.clone(), signals.clone()).await;
        let mut state = self.foresight.state();
        match recorded {
            Ok(head) => {
                state.ledger.take(&lines);
                state.head = head;
            }
            Err(error) => {
                state.lines.splice(0..0, lines);
                state.signals.splice(0..0, signals);
                state.head = Head::default();
                return Err(error);
            }
        }
        drop(state);
        if !signals.is_empty() {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Lines, signals and what is remembered in one commit; where the stream ends then.
    async fn append_forecasts(&self, lines: Vec<Line>, signals: Vec<IntakeRow>) -> Result<Head, EngineError> {
        let now = self.now();
        let day = today(now);
        let (stream, head) = (StreamId::Forecasts(day), self.foresight.state().head);
        let expected = match head.0.filter(|(of, _)| *of == day) {
            Some((_, seq)) => seq,
            None => self.store.read(&stream).await?.len(),
        };
        let end = expected + lines.len() as u64;
        let snapshot = self.foresight.snapshot(&lines, day, end);
        let commit = Commit {
            appends: vec![Append { stream, expected, lines }],
            intake: signals,
            snapshots: snapshot.into_iter().map(|bytes| (SNAPSHOT.to_owned(), now, bytes)).collect(),
            ..Commit::default()
        };
        self.store.commit(commit).await?;
        Ok(Head(Some((day, end))))
    }
}

impl Foresight {
    /// What is remembered as it is after these lines; only with a line of forecasts, once a minute.
    fn snapshot(&self, lines: &[Line], day: Date, seq: u64) -> Option<Vec<u8>> {
        let tells =
            |line: &Line| matches!(&line.entry, Entry::Forecast { event: ForecastEvent::Foretold(_) });
        if !lines.iter().any(tells) {
            return None;
        }
        let state = self.state();
        let mut ledger = state.ledger.clone();
        ledger.take(lines);
        serde_json::to_vec(&Snapshot { day, seq, ledger, remembered: state.live.remembered() }).ok()
    }
}

impl State {
    fn alarm(
        &self,
        service: &ServiceName,
        tier: Tier,
        moved: &[Moved],
        foresight: &Foresight,
    ) -> Option<Alarm> {
        let latest = self.latest.as_ref()?;
        let judged = latest.judged.iter().find(|judged| judged.service == *service)?;
        let path = &latest.forecast.path;
        // The way is told of the likeliest service only; of another, what is known is itself.
        let path: Vec<ServiceName> = match path.first() {
            Some(first) if first.service == service.as_str() => {
                path.iter().map(|step| ServiceName::new(&step.service)).collect()
            }
            _ => vec![service.clone()],
        };
        // What reads as before moved nobody.
        let visible = |moved: &&Moved| moved.quantity.show(moved.now) != moved.quantity.show(moved.usual);
        let counts =
            moved.iter().filter(visible).filter(|moved| moved.influence >= INFLUENCE_MIN).take(MOVED_MAX);
        Some(Alarm {
            service: service.clone(),
            tier,
            probability: judged.probability?,
            confidence: judged.confidence?,
            minutes: judged.minutes?,
            horizon_s: foresight.horizon_s,
            model: foresight.serving.name(),
            path,
            moved: counts.map(told).collect(),
        })
    }
}

fn told(moved: &Moved) -> String {
    let quantity = moved.quantity;
    let (before, now, usual) = (moved.before, moved.now, moved.usual);
    format!(
        "{} {} → {} (usually {})",
        quantity.title(),
        quantity.show(before),
        quantity.show(now),
        quantity.show(usual)
    )
}

/// An alarm in a sentence.
pub(super) fn sentence(alarm: &Alarm) -> String {
    let why = if alarm.moved.is_empty() {
        "; nothing moved at the service itself, its neighbours did".to_owned()
    } else {
        format!("; what moved: {}", alarm.moved.join(", "))
    };
    let next: Vec<&str> = alarm.path.iter().skip(1).map(ServiceName::as_str).collect();
    let next = if next.is_empty() { String::new() } else { format!("; next: {}", next.join(", ")) };
    format!("{}{why}{next}", claim(&alarm.service, alarm.probability, alarm.horizon_s))
}

/// What is foreseen, in a sentence.
pub(super) fn claim(service: &ServiceName, probability: f64, horizon_s: f64) -> String {
    let sure = if probability >= 0.5 { "will probably" } else { "may" };
    let (percent, minutes) = (probability * 100.0, horizon_s / 60.0);
    format!("{service} {sure} break its objective: {percent:.0} % within {minutes:.0} min")
}

fn signal(
    id: SignalId,
    alarm: &Alarm,
    moved: &[Moved],
    at: Timestamp,
    config: &crate::EngineConfig,
) -> Signal {
    let first = moved.first().filter(|moved| moved.influence >= INFLUENCE_MIN).map(|moved| moved.quantity);
    let evidence = first.map(|quantity| {
        let metric = metric_of(quantity);
        Evidence {
            id: "ev-0".into(),
            source: EvidenceSource::ServiceMetrics,
            service: alarm.service.clone(),
            query: promql::query(metric, &alarm.service, config.rate_window_s),
            from: after(at, -alarm.horizon_s * 2.0 / 15.0),
            to: at,
            digest: Evidence::digest_of(alarm.moved.join("\n").as_bytes()),
            excerpt: format!("{}: {}", alarm.service, alarm.moved.join(", ")),
        }
    });
    Signal {
        id,
        kind: SignalKind::Forecast,
        origin: "midwatch".into(),
        service: alarm.service.clone(),
        metric: None,
        class: first.map_or(Cause::DependencyFailure, cause_of),
        onset_at: at,
        detected_at: at,
        value: alarm.probability,
        sigma: 0.0,
        baseline: None,
        summary: sentence(alarm),
        evidence,
        entity: None,
        alert_name: Some(NAME.to_owned()),
        severity: Some(severity_of(alarm.tier)),
        ahead: Some(Ahead { expected_at: after(at, alarm.minutes * 60.0), path: alarm.path.clone() }),
    }
}

fn severity_of(tier: Tier) -> Severity {
    match tier {
        Tier::Low => Severity::Info,
        Tier::Medium => Severity::Warning,
        Tier::High => Severity::High,
        Tier::Critical => Severity::Critical,
    }
}

pub(super) fn metric_of(quantity: Quantity) -> Metric {
    match quantity {
        Quantity::LatencyP50 | Quantity::LatencyP99 => Metric::LatencyP99,
        Quantity::ErrorRate => Metric::ErrorRate,
        Quantity::RequestRate => Metric::RequestRate,
        Quantity::Cpu => Metric::Cpu,
        Quantity::Memory => Metric::Memory,
        Quantity::Replicas => Metric::Up,
        Quantity::Restarts => Metric::Restarts,
    }
}

/// What it looks like when this moves first.
pub(super) fn cause_of(quantity: Quantity) -> Cause {
    match quantity {
        Quantity::LatencyP50 | Quantity::LatencyP99 => Cause::LatencySpike,
        Quantity::ErrorRate => Cause::ErrorRateSpike,
        Quantity::RequestRate => Cause::TrafficSpike,
        Quantity::Cpu => Cause::CpuSaturation,
        Quantity::Memory => Cause::MemoryLeak,
        Quantity::Replicas | Quantity::Restarts => Cause::CrashLoop,
    }
}
