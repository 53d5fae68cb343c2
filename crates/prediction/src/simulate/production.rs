//! A production to be watched: what its services show, tick by tick, and who calls whom.
//!
//! Unlike a window it is not chosen by what happens in it: whoever watches it sees all of its life, with deployments, hiccups
//! and waves of traffic, and the trouble that it may get into.

use super::stress::{Everyday, Stress};
use super::world::World;
use super::{Life, QUIET_TICKS, live, story};
use crate::random::Random;
use crate::window::{Reading, Story};

/// How long a production lives, and whether it gets into trouble.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    pub ticks: usize,
    /// Fewest and most services.
    pub services: (usize, usize),
    /// Ticks of the horizon, by which trouble is scaled; `None` for a life in which nothing goes wrong.
    pub trouble: Option<u32>,
}

/// A production, and all that it showed.
pub struct Production {
    pub services: Vec<String>,
    /// Caller and callee, by their places.
    pub calls: Vec<(usize, usize)>,
    /// The tick from which on something goes wrong.
    pub trouble_at: Option<usize>,
    life: Life,
}

impl Production {
    /// The life of a random production; the same seed and number give the same.
    #[must_use]
    pub fn new(course: &Course, seed: u64, number: u64) -> Self {
        let mut random = Random::of(seed, &[2, number]);
        let world = World::random(&mut random, course.services);
        let everyday = Everyday::random(&mut random, world.nodes.len(), course.ticks);
        let stress: Option<Stress> = course.trouble.and_then(|horizon| {
            story::stress(Story::Cascade, &world, &mut random, QUIET_TICKS, horizon.into())
        });
        let life = live(&world, stress, &everyday, course.ticks, &mut random);
        let calls = world.nodes.iter().enumerate();
        Self {
            services: (0..world.nodes.len()).map(|service| format!("service-{service}")).collect(),
            calls: calls
                .flat_map(|(from, node)| node.calls.iter().map(move |call| (from, call.to)))
                .collect(),
            trouble_at: stress.map(|stress| stress.start),
            life,
        }
    }

    /// What every service showed at each tick.
    pub fn ticks(&self) -> impl Iterator<Item = &[Reading]> {
        self.life.readings.iter().map(Vec::as_slice)
    }
}
