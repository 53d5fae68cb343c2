//! Who was not let in: counted, and told once a minute, so that nobody's log is flooded by somebody else's mistake.

use axum::http::StatusCode;
use midwatch_model::{Timestamp, seconds_between};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Seconds between two summaries.
const EVERY_S: f64 = 60.0;

/// Senders that are told apart within a minute; what others do is counted together.
const SENDERS_MAX: usize = 200;

/// Who was not let in, and how often.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    /// Since the start, by status.
    total: BTreeMap<u16, u64>,
    /// Of each sender since it was first named: how often after that.
    again: HashMap<(IpAddr, String), u64>,
    others: u64,
    since: Option<Timestamp>,
}

/// Something to log.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    First,
    Again { client: IpAddr, path: String, count: u64 },
    Others(u64),
}

impl Counts {
    /// What a minute amounted to, when it is over.
    fn sum_up(&mut self, now: Timestamp) -> Vec<Line> {
        if self.since.is_none_or(|since| seconds_between(since, now) < EVERY_S) {
            return Vec::new();
        }
        let all = std::mem::take(&mut self.again).into_iter().filter(|(_, count)| *count > 0);
        let mut lines: Vec<Line> =
            all.map(|((client, path), count)| Line::Again { client, path, count }).collect();
        let others = std::mem::take(&mut self.others);
        lines.extend((others > 0).then_some(Line::Others(others)));
        self.since = None;
        lines
    }

    fn count(&mut self, client: IpAddr, path: &str, status: u16, now: Timestamp) -> Vec<Line> {
        *self.total.entry(status).or_default() += 1;
        let mut lines = self.sum_up(now);
        self.since.get_or_insert(now);
        let full = self.again.len() >= SENDERS_MAX;
        match self.again.get_mut(&(client, path.to_owned())) {
            Some(count) => *count += 1,
            None if full => self.others += 1,
            None => {
                self.again.insert((client, path.to_owned()), 0);
                lines.push(Line::First);
            }
        }
        lines
    }
}

impl Refusals {
    /// Whether an answer means that somebody was not let in.
    pub fn is_one(status: StatusCode) -> bool {
        matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS)
    }

    /// Counts a refusal, and logs it if it is the first of its sender for a while.
    pub fn count(&self, client: IpAddr, path: &str, status: StatusCode, said: &str, now: Timestamp) {
        let lines = self.counts().count(client, path, status.as_u16(), now);
        for line in lines {
            log(&line, client, path, status, said);
        }
    }

    /// Logs what the last minute amounted to, when it is over.
    pub fn sum_up(&self, now: Timestamp) {
        let lines = self.counts().sum_up(now);
        for line in lines {
            log(&line, IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), "", StatusCode::OK, "");
        }
    }

    /// How often somebody was not let in since the start, by status.
    pub fn totals(&self) -> BTreeMap<u16, u64> {
        self.counts().total.clone()
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log(line: &Line, client: IpAddr, path: &str, status: StatusCode, said: &str) {
    match line {
        Line::First => tracing::warn!(
            client.address = %client, http.route = path, http.status = status.as_u16(),
            "a request was not let in: {said}"
        ),
        Line::Again { client, path, count } => tracing::warn!(
            client.address = %client, http.route = path, requests = count,
            "more requests of this sender were not let in within the last minute"
        ),
        Line::Others(count) => {
            tracing::warn!(requests = count, "requests of many other senders were not let in");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_refusal_of_a_sender_is_told_and_the_rest_once_a_minute() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let client: IpAddr = "10.0.0.1".parse().expect("an address");
        let mut counts = Counts::default();
        assert_eq!(counts.count(client, "/webhook", 401, at(0)), [Line::First]);
        for second in 1..50 {
            assert_eq!(counts.count(client, "/webhook", 401, at(second)), []);
        }
        assert_eq!(counts.count(client, "/api/v1/changes", 403, at(50)), [Line::First]);
        let again = Line::Again { client, path: "/webhook".into(), count: 49 };
        assert_eq!(counts.count(client, "/webhook", 401, at(61)), [again, Line::First]);
        assert_eq!(counts.total, BTreeMap::from([(401, 51), (403, 1)]));
        assert_eq!(counts.sum_up(at(200)), [], "nothing more came");
    }

    #[test]
    fn a_storm_of_senders_takes_neither_memory_nor_log() {
        let mut counts = Counts::default();
        let now = Timestamp::UNIX_EPOCH;
        let lines: usize =
            (0..1000u32).map(|n| counts.count(IpAddr::V4(n.into()), "/webhook", 429, now).len()).sum();
        assert_eq!((lines, counts.again.len(), counts.others), (SENDERS_MAX, SENDERS_MAX, 800));
        assert_eq!(counts.sum_up(Timestamp::from_second(60).expect("a time")), [Line::Others(800)]);
    }
}
