//! Which part of a life is taken as a window, and what is true of it.

use super::stress::Stress;
use super::world::World;
use super::{Life, QUIET_TICKS, SETTLING_TICKS};
use crate::random::Random;
use crate::window::{Link, NOTHING_READ, Normal, Outcome, Quantity, Story, TICK_S, WINDOW_TICKS, Window};

/// A service breaches when it is beyond its objective in this many of the last five ticks.
const BREACH_OF_FIVE: usize = 3;

/// The objective of each service, by what is usual there: a network sees services by what is usual there, too.
const LATENCY_FACTOR: f32 = 3.0;
const LATENCY_MS: f32 = 20.0;
const ERRORS: f32 = 0.05;

/// Share of the time from its start to the breach for which a cause is at work already when the window ends. A cause that has only
/// begun shows nothing: nobody could foresee by it.
const AT_WORK: f64 = 0.3;

/// What polls of the usual metrics do not bring.
pub const NOT_POLLED: [Quantity; 2] = [Quantity::LatencyP50, Quantity::Replicas];

/// What every service promises, and when it did not keep it.
pub struct Objectives {
    pub normals: Vec<Normal>,
    /// Of each service and tick whether it is in breach.
    in_breach: Vec<Vec<bool>>,
    /// Of each service and tick how near to its objective it is; 1 is there.
    nearness: Vec<Vec<f32>>,
}

impl Objectives {
    /// Objectives of a factor above what is usual; whether they were kept.
    pub fn of(life: &Life) -> Self {
        let services = life.readings.first().map_or(0, Vec::len);
        let quiet = &life.readings[SETTLING_TICKS..QUIET_TICKS];
        let normal = |service: usize| Normal::of(quiet.iter().map(move |tick| &tick[service]));
        let normals: Vec<Normal> = (0..services).map(normal).collect();
        let mut objectives = Self { normals, in_breach: vec![], nearness: vec![] };
        for service in 0..services {
            let usual = objectives.normals[service].mean;
            let latency = usual[Quantity::LatencyP99 as usize] * LATENCY_FACTOR + LATENCY_MS;
            let errors = usual[Quantity::ErrorRate as usize] + ERRORS;
            let near = |tick: &Vec<crate::window::Reading>| {
                let reading = tick[service];
                let late = reading[Quantity::LatencyP99 as usize] / latency;
                late.max(reading[Quantity::ErrorRate as usize] / errors)
            };
            let nearness: Vec<f32> = life.readings.iter().map(near).collect();
            objectives.in_breach.push(breaches(&nearness));
            objectives.nearness.push(nearness);
        }
        objectives
    }

    fn services(&self) -> usize {
        self.in_breach.len()
    }

    /// The first tick after `end`, within the horizon, at which a service that is well then is in breach.
    fn breach_after(&self, service: usize, end: usize, horizon: usize) -> Option<usize> {
        let after = &self.in_breach[service][end + 1..(end + 1 + horizon).min(self.in_breach[service].len())];
        after.iter().position(|breach| *breach).map(|ticks| ticks + 1)
    }

    /// The first tick at which anybody is in breach, and who ever is from there on.
    fn first(&self) -> Option<(usize, usize)> {
        let begins = self.in_breach.iter().filter_map(|service| service.iter().position(|breach| *breach));
        let begins: Vec<usize> = begins.collect();
        begins.iter().min().map(|first| (*first, begins.len()))
    }
}

fn breaches(nearness: &[f32]) -> Vec<bool> {
    let beyond = |tick: usize| {
        let last = &nearness[tick.saturating_sub(4)..=tick];
        last.iter().filter(|near| **near >= 1.0).count() >= BREACH_OF_FIVE
    };
    (0..nearness.len()).map(beyond).collect()
}

/// The stress that a story begins with.
pub fn stress(
    story: Story,
    world: &World,
    random: &mut Random,
    start: usize,
    horizon: f64,
) -> Option<Stress> {
    let entries: Vec<usize> =
        (0..world.nodes.len()).filter(|node| world.nodes[*node].entry_rps > 0.0).collect();
    let start = start + random.below(30);
    let mut stress = Stress::random(random, world.nodes.len(), &entries, start, horizon);
    match story {
        Story::Healthy => return None,
        Story::Recovery => {
            let at = start + random.count(20, 120);
            stress.ramp = random.scaled(10.0, 100.0);
            stress.repaired = Some((at, random.scaled(2.0, 60.0)));
        }
        Story::NearFailure => stress.size *= random.between(0.2, 0.8),
        Story::DelayedCascade => stress.ramp = random.between(0.5, 1.8) * horizon,
        Story::Cascade => {}
    }
    Some(stress)
}

/// The tick at which a window of the story ends, if the life tells it.
pub fn choose(
    story: Story,
    life: &Life,
    objectives: &Objectives,
    stress: Option<&Stress>,
    horizon: usize,
    random: &mut Random,
) -> Option<usize> {
    let last = life.readings.len() - horizon - 2;
    let first = objectives.first();
    if first.is_some_and(|(at, _)| at < QUIET_TICKS) {
        return None;
    }
    let calm =
        |end: usize| (0..objectives.services()).all(|s| objectives.breach_after(s, end, horizon).is_none());
    match story {
        Story::Healthy => {
            let end = random.count(QUIET_TICKS, last);
            first.is_none().then_some(end)
        }
        Story::Recovery => {
            let (at, ticks) = stress?.repaired?;
            let end = at + random.below(ticks as usize + 60);
            let was_near = hurt(objectives, stress?.start..end.min(last)) > 0.6;
            (end < last && was_near && recovering(objectives, end, horizon)).then_some(end)
        }
        Story::NearFailure => {
            let end = stress?.start + random.count(20, horizon);
            let near = hurt(objectives, end.saturating_sub(30)..(end + horizon).min(last + horizon));
            (end < last && first.is_none() && near > 0.5 && calm(end)).then_some(end)
        }
        Story::DelayedCascade => before(objectives, stress?, (horizon / 2 + 1, horizon), last, random),
        Story::Cascade => before(objectives, stress?, (3, horizon / 2), last, random),
    }
}

/// How near anybody came to an objective, by five ticks together: one reading is noise.
fn hurt(objectives: &Objectives, ticks: std::ops::Range<usize>) -> f32 {
    let five = |five: &[f32]| five.iter().copied().fold(f32::MAX, f32::min);
    let of = |nearness: &Vec<f32>| nearness[ticks.clone()].windows(3).map(five).fold(0.0, f32::max);
    objectives.nearness.iter().map(of).fold(0.0, f32::max)
}

/// Whether nobody who is well at `end` breaches after it, and those who are in breach get out of it.
fn recovering(objectives: &Objectives, end: usize, horizon: usize) -> bool {
    objectives.in_breach.iter().all(|breaches| {
        let after = &breaches[end..=end + horizon];
        let until = after.iter().take_while(|breach| **breach).count();
        until < horizon / 3 && after[until..].iter().all(|breach| !breach)
    })
}

/// An end so that the first breach, or in some windows a later one, is still to come; the stress is there for some ticks.
fn before(
    objectives: &Objectives,
    stress: &Stress,
    lead: (usize, usize),
    last: usize,
    random: &mut Random,
) -> Option<usize> {
    let (first, involved) = objectives.first()?;
    if involved < 2.min(objectives.services()) {
        return None;
    }
    let mut begins: Vec<usize> =
        objectives.in_breach.iter().filter_map(|service| service.iter().position(|breach| *breach)).collect();
    begins.sort_unstable();
    // Most forecasts are made while all is well still, some in the middle of a cascade.
    let breach = if random.chance(0.25) { begins[random.below(begins.len())] } else { first };
    let lead = random.count(lead.0, lead.1);
    let end = breach.checked_sub(lead)?;
    let at_work = (AT_WORK * breach.saturating_sub(stress.start) as f64).max(10.0) as usize;
    (end > stress.start + at_work && end < last && end >= QUIET_TICKS).then_some(end)
}

/// Cuts the window that ends at a tick, with what happens after it.
pub fn cut(
    story: Story,
    world: &World,
    life: &Life,
    objectives: &Objectives,
    end: usize,
    horizon: usize,
    random: &mut Random,
) -> (Window, Outcome) {
    let services = world.nodes.len();
    let ticks = end + 1 - WINDOW_TICKS..=end;
    let readings =
        (0..services).flat_map(|service| ticks.clone().map(move |tick| life.readings[tick][service]));
    let edges = world
        .nodes
        .iter()
        .enumerate()
        .flat_map(|(from, node)| node.calls.iter().map(move |call| (from, call.to)));
    let link = |(index, (from, to)): (usize, (usize, usize))| {
        // What an edge carries is read over the last ticks: a minute of them.
        let recent = &life.calls[end - 29..=end];
        let mean =
            |part: usize| recent.iter().map(|calls| calls[index][part]).sum::<f32>() / recent.len() as f32;
        Link { from: from as u32, to: to as u32, rate: mean(0), errors: mean(1), latency_ms: mean(2) }
    };
    let mut window = Window {
        services: (0..services).map(|service| format!("service-{service}")).collect(),
        normals: objectives.normals.clone(),
        readings: readings.collect(),
        links: edges.enumerate().map(link).collect(),
        tick_s: TICK_S,
    };
    let in_breach: Vec<bool> = objectives.in_breach.iter().map(|service| service[end]).collect();
    let ahead = |service: usize| match in_breach[service] {
        true => None,
        false => objectives.breach_after(service, end, horizon).map(|ticks| ticks as u32),
    };
    let outcome = Outcome { story, breach_in: (0..services).map(ahead).collect(), in_breach };
    forget(&mut window, random);
    (window, outcome)
}

/// Takes out what a real monitoring system would not have: quantities that nobody exports, polls that failed, a service that went silent.
fn forget(window: &mut Window, random: &mut Random) {
    for service in 0..window.services.len() {
        let ticks = &mut window.readings[service * WINDOW_TICKS..(service + 1) * WINDOW_TICKS];
        if random.chance(0.06) {
            let quantity = random.below(ticks[0].len());
            ticks.iter_mut().for_each(|reading| reading[quantity] = f32::NAN);
        }
        if random.chance(0.04) {
            let from = random.count(WINDOW_TICKS / 2, WINDOW_TICKS - 1);
            ticks[from..].fill(NOTHING_READ);
        }
        if random.chance(0.1) {
            let share = random.between(0.02, 0.3);
            ticks.iter_mut().filter(|_| random.chance(share)).for_each(|reading| *reading = NOTHING_READ);
        }
    }
}
