//! A simulator of productions that fail: windows with what happened after them, for training.
//!
//! Owns: worlds of queues on random or given graphs, what goes wrong in them, and which windows of their lives are taken.
//! Labels come from what happened: a service breaches its objective, or it does not. The same seed gives the same windows.

mod flow;
mod production;
mod story;
mod stress;
mod world;

use crate::random::Random;
use crate::window::{Outcome, Story, TICK_S, Window, WindowSet};
use flow::Flow;
pub use production::{Course, Production};
pub use story::NOT_POLLED;
use stress::{Everyday, Stress};
use world::World;

/// Ticks of a life in which nothing is wrong yet: from the later ones it is learnt what is usual.
const QUIET_TICKS: usize = 150;

/// Ticks until the queues of a new world have settled.
const SETTLING_TICKS: usize = 30;

/// Lives that are tried for one window until its story happens.
const TRIES: u64 = 400;

/// What is generated.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub windows: usize,
    /// Fewest and most services of a random graph.
    pub services: (usize, usize),
    /// Ticks within which a breach counts: 15 minutes of 2 seconds.
    pub horizon_ticks: u32,
    /// Graphs to generate on instead of random ones: services, and edges from caller to callee.
    pub graphs: Vec<(usize, Vec<(usize, usize)>)>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { seed: 1, windows: 2000, services: (4, 14), horizon_ticks: 450, graphs: vec![] }
    }
}

/// The share of each story.
pub const MIX: [(Story, f64); 5] = [
    (Story::Healthy, 0.20),
    (Story::Recovery, 0.15),
    (Story::NearFailure, 0.10),
    (Story::DelayedCascade, 0.12),
    (Story::Cascade, 0.43),
];

/// Why nothing was generated.
#[derive(Debug, thiserror::Error)]
#[error("in {TRIES} lives of window {window} there was no {story}; allow more services or a longer horizon")]
pub struct NoStory {
    window: usize,
    story: &'static str,
}

/// The story of each window, in an order that the seed gives.
fn stories(plan: &Plan) -> Vec<Story> {
    let mut stories = Vec::with_capacity(plan.windows);
    let mut sum = 0.0;
    for (story, share) in MIX {
        sum += share;
        let until = (sum * plan.windows as f64).round() as usize;
        while stories.len() < until.min(plan.windows) {
            stories.push(story);
        }
    }
    Random::of(plan.seed, &[0]).shuffle(&mut stories);
    stories
}

/// Generates a set. `progress` is told of each window.
///
/// # Errors
/// A story does not happen on these graphs.
pub fn generate(plan: &Plan, mut progress: impl FnMut(usize)) -> Result<WindowSet, NoStory> {
    let mut set =
        WindowSet { windows: vec![], outcomes: vec![], horizon_ticks: plan.horizon_ticks, seed: plan.seed };
    for (index, story) in stories(plan).into_iter().enumerate() {
        let tries = (0..TRIES).find_map(|attempt| window(plan, index, story, attempt));
        let (window, outcome) = tries.ok_or(NoStory { window: index, story: story.name() })?;
        set.windows.push(window);
        set.outcomes.push(outcome);
        progress(index + 1);
    }
    Ok(set)
}

/// One life, and the window of it that tells the story, if there is one.
fn window(plan: &Plan, index: usize, story: Story, attempt: u64) -> Option<(Window, Outcome)> {
    let mut random = Random::of(plan.seed, &[1, index as u64, attempt]);
    let world = match plan.graphs.len() {
        0 => World::random(&mut random, plan.services),
        graphs => {
            let (services, edges) = &plan.graphs[index % graphs];
            World::on(&mut random, *services, edges)
        }
    };
    let horizon = plan.horizon_ticks as usize;
    let ticks = QUIET_TICKS + 2 * horizon + 100;
    let everyday = Everyday::random(&mut random, world.nodes.len(), ticks);
    let stress = story::stress(story, &world, &mut random, QUIET_TICKS, plan.horizon_ticks.into());
    let life = live(&world, stress, &everyday, ticks, &mut random);
    let objectives = story::Objectives::of(&life);
    let end = story::choose(story, &life, &objectives, stress.as_ref(), horizon, &mut random)?;
    Some(story::cut(story, &world, &life, &objectives, end, horizon, &mut random))
}

/// What was read at every tick of a life: readings of the services, and calls.
struct Life {
    readings: Vec<Vec<crate::window::Reading>>,
    calls: Vec<Vec<[f32; 3]>>,
}

fn live(
    world: &World,
    stress: Option<Stress>,
    everyday: &Everyday,
    ticks: usize,
    random: &mut Random,
) -> Life {
    let mut flow = Flow::new(world, stress, everyday, f64::from(TICK_S));
    let mut life = Life { readings: vec![], calls: vec![] };
    for _ in 0..ticks {
        flow.step(random);
        life.readings.push((0..world.nodes.len()).map(|service| flow.read(service, random)).collect());
        life.calls.push(flow.calls());
    }
    life
}

#[cfg(test)]
mod tests;
