//! Which incident a signal belongs to.

use crate::{IncidentConfig, State};
use midwatch_model::{IncidentId, ServiceGraph, ServiceName, Signal, Timestamp, seconds_between};
use std::collections::BTreeSet;

/// What correlation needs to know of an incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    pub id: IncidentId,
    pub state: State,
    pub opened_at: Timestamp,
    /// When it was verified as recovered, if it was.
    pub recovered_at: Option<Timestamp>,
    /// The component that the verdict names.
    pub component: Option<ServiceName>,
    pub services: BTreeSet<ServiceName>,
    /// Series that already signalled.
    pub series: BTreeSet<String>,
    /// Last time a signal joined.
    pub last_signal_at: Timestamp,
}

/// Where a signal goes, with the reason that is put on record.
#[derive(Clone, Debug, PartialEq)]
pub enum Belongs {
    /// No open incident explains it.
    Opens {
        reason: String,
    },
    Joins {
        incident: IncidentId,
        reason: String,
    },
    /// The same series already spoke in this incident.
    Duplicate {
        incident: IncidentId,
        reason: String,
    },
    /// The incident had recovered and its trouble is back.
    Recurs {
        incident: IncidentId,
        reason: String,
    },
    /// An echo of an incident that is just being verified or has just recovered: it began before the recovery.
    Echo {
        incident: IncidentId,
        reason: String,
    },
}

/// Places a signal. Of several incidents that could explain it the nearest on the graph wins, then the newest.
#[must_use]
pub fn correlate(signal: &Signal, open: &[Open], graph: &ServiceGraph, config: &IncidentConfig) -> Belongs {
    let near = open
        .iter()
        .filter(|incident| in_time(signal, incident, config))
        .filter_map(|incident| Some((hops(signal, incident, graph)?, incident)))
        .filter(|(hops, _)| *hops <= config.max_hops)
        .min_by_key(|(hops, incident)| (*hops, std::cmp::Reverse(incident.opened_at)));
    let Some((hops, incident)) = near else {
        return Belongs::Opens {
            reason: format!("no open incident within {} hops and {:.0} s", config.max_hops, config.window_s),
        };
    };
    place(signal, incident, hops)
}

fn place(signal: &Signal, incident: &Open, hops: usize) -> Belongs {
    let id = incident.id.clone();
    let series = signal.series_key();
    if let Some(recovered_at) = incident.recovered_at {
        let since = seconds_between(recovered_at, signal.onset_at);
        if since < 0.0 {
            let reason = format!("{series} began {:.0} s before {id} recovered", -since);
            return Belongs::Echo { incident: id, reason };
        }
        let own = incident.component.as_ref() == Some(&signal.service) || incident.series.contains(&series);
        if own {
            let reason = format!("{series} is abnormal again {since:.0} s after {id} recovered");
            return Belongs::Recurs { incident: id, reason };
        }
        if incident.state == State::Soaking {
            let reason = format!("{series} moved while {id} soaks, {hops} hops away");
            return Belongs::Joins { incident: id, reason };
        }
        let reason = format!("{series} is {hops} hops from {id}, which recovered {since:.0} s earlier");
        return Belongs::Opens { reason };
    }
    if incident.series.contains(&series) {
        return Belongs::Duplicate { reason: format!("{series} already signalled in {id}"), incident: id };
    }
    let place =
        if hops == 0 { "same service".to_owned() } else { format!("{hops} hops away on the service graph") };
    let lag = seconds_between(incident.opened_at, signal.onset_at);
    let when = if lag < 0.0 { format!("{:.0} s before", -lag) } else { format!("{lag:.0} s after") };
    Belongs::Joins { reason: format!("{place}, began {when} {id} was opened"), incident: id }
}

fn in_time(signal: &Signal, incident: &Open, config: &IncidentConfig) -> bool {
    match incident.recovered_at {
        Some(recovered_at) => seconds_between(recovered_at, signal.onset_at) <= config.recurrence_window_s,
        // While trouble lasts, later symptoms are its symptoms.
        None => seconds_between(incident.last_signal_at, signal.onset_at).abs() <= config.window_s,
    }
}

fn hops(signal: &Signal, incident: &Open, graph: &ServiceGraph) -> Option<usize> {
    if incident.services.contains(&signal.service) {
        return Some(0);
    }
    incident.services.iter().filter_map(|service| graph.hops(service, &signal.service)).min()
}
