//! A fuzz target per parser: good bodies with some of their bytes changed, taken out or doubled.
//!
//! `cargo test` runs each a little. `cargo bolero test -p midwatch-signal -s NONE fuzz::grafana` (any of the names below; the
//! program is `cargo install cargo-bolero`) goes on for as long as one likes, led by coverage.

use crate::bent::{take, take_change};
use crate::good::{ALERTS, CHANGES};
use midwatch_signal::change::ChangeSource;
use midwatch_signal::source::Source;

/// Inputs that `cargo test` tries for each parser.
const INPUTS: usize = 5_000;

/// A place in the body, and what is done there: the lowest two bits say which of four things, the others with what.
type Edit = (u16, u8, u8);

fn edited(good: &str, edits: &[Edit]) -> Vec<u8> {
    let mut body = good.as_bytes().to_vec();
    for (place, what, byte) in edits {
        let place = usize::from(*place) % (body.len() + 1);
        let end = (place + usize::from(what >> 2)).min(body.len());
        match what & 3 {
            0 => body.insert(place, *byte),
            1 => body[place..end].fill(*byte),
            2 => drop(body.drain(place..end)),
            _ => {
                let piece = body[place..end].to_vec();
                body.splice(place..place, piece);
            }
        }
    }
    body
}

fn fuzz(good: &[&str], take: impl Fn(&[u8])) {
    let good = std::panic::AssertUnwindSafe((good, take));
    bolero::check!().with_iterations(INPUTS).with_type::<(u8, Vec<Edit>)>().for_each(|(which, edits)| {
        let (good, take) = &*good;
        take(&edited(good[usize::from(*which) % good.len()], edits));
    });
}

fn alerts(source: Source) {
    let good: Vec<&str> = ALERTS.iter().filter(|(of, _)| *of == source).map(|(_, good)| *good).collect();
    fuzz(&good, |body| {
        take(source, body);
    });
}

fn changes(source: ChangeSource) {
    for (_, event, good) in CHANGES.iter().filter(|(of, ..)| *of == source) {
        fuzz(&[good], |body| {
            take_change(source, *event, body);
        });
    }
}

#[test]
fn generic() {
    alerts(Source::Generic);
}

#[test]
fn alertmanager() {
    alerts(Source::Alertmanager);
}

#[test]
fn alertmanager_v2() {
    alerts(Source::AlertmanagerV2);
}

#[test]
fn grafana() {
    alerts(Source::Grafana);
}

#[test]
fn datadog() {
    alerts(Source::Datadog);
}

#[test]
fn new_relic() {
    alerts(Source::NewRelic);
}

#[test]
fn pager_duty() {
    alerts(Source::PagerDuty);
}

#[test]
fn opsgenie() {
    alerts(Source::Opsgenie);
}

#[test]
fn jsm() {
    alerts(Source::Jsm);
}

#[test]
fn cloud_watch() {
    alerts(Source::CloudWatch);
}

#[test]
fn cloud_events() {
    alerts(Source::CloudEvents);
}

#[test]
fn changes_of_generic() {
    changes(ChangeSource::Generic);
}

#[test]
fn changes_of_git_hub() {
    changes(ChangeSource::GitHub);
}

#[test]
fn changes_of_git_lab() {
    changes(ChangeSource::GitLab);
}

#[test]
fn changes_of_argo_cd() {
    changes(ChangeSource::ArgoCd);
}
