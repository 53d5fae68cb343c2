//! A fuzz target per parser: good bodies with some of their bytes changed, taken out or doubled.
//!
//! `cargo test` runs each a little. `cargo bolero test fuzz::grafana -p midwatch-signal -s NONE` (any of the names below; the
//! program comes by `cargo install cargo-bolero`) goes on for as long as one likes, led by coverage.

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

/// A parser under test.
enum Target {
    Alerts(Source),
    Changes(ChangeSource),
}

impl Target {
    fn try_one(&self, which: u8, edits: &[Edit]) {
        let pick = |count: usize| usize::from(which) % count;
        match self {
            Target::Alerts(source) => {
                let good: Vec<_> = ALERTS.iter().filter(|(of, _)| of == source).collect();
                take(*source, &edited(good[pick(good.len())].1, edits));
            }
            Target::Changes(source) => {
                let good: Vec<_> = CHANGES.iter().filter(|(of, ..)| of == source).collect();
                let (_, event, good) = good[pick(good.len())];
                take_change(*source, *event, &edited(good, edits));
            }
        }
    }
}

/// A test of its own for each: that is what fuzzers find them by.
macro_rules! targets {
    ($($name:ident: $target:expr;)*) => {$(
        #[test]
        fn $name() {
            bolero::check!()
                .with_iterations(INPUTS)
                .with_type::<(u8, Vec<Edit>)>()
                .for_each(|(which, edits)| $target.try_one(*which, edits));
        }
    )*};
}

targets! {
    generic: Target::Alerts(Source::Generic);
    alertmanager: Target::Alerts(Source::Alertmanager);
    alertmanager_v2: Target::Alerts(Source::AlertmanagerV2);
    grafana: Target::Alerts(Source::Grafana);
    datadog: Target::Alerts(Source::Datadog);
    new_relic: Target::Alerts(Source::NewRelic);
    pager_duty: Target::Alerts(Source::PagerDuty);
    opsgenie: Target::Alerts(Source::Opsgenie);
    jsm: Target::Alerts(Source::Jsm);
    cloud_watch: Target::Alerts(Source::CloudWatch);
    cloud_events: Target::Alerts(Source::CloudEvents);
    changes_of_generic: Target::Changes(ChangeSource::Generic);
    changes_of_git_hub: Target::Changes(ChangeSource::GitHub);
    changes_of_git_lab: Target::Changes(ChangeSource::GitLab);
    changes_of_argo_cd: Target::Changes(ChangeSource::ArgoCd);
}
