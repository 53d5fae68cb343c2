//! The networks of midwatch on minutes: the same features and the same loop, on a graph that is given.

use super::super::series::{Day, LAGS, Moment};
use super::{FRONT, Task};
use anyhow::Result;
use midwatch_prediction::features::Featured;
use midwatch_prediction::graph::Graph;
use midwatch_prediction::network::{Breach, Example, Kind, Labels};
use midwatch_prediction::rivals::ask;
use midwatch_prediction::train::{Progress, Settings, Trainer};
use midwatch_prediction::window::{Link, NOTHING_READ, Normal, Quantity, Reading};

/// Each network is trained with these seeds, and what they say is averaged.
const SEEDS: [u64; 2] = [1, 2];

/// The last part of what is learnt from, by which training is stopped.
const WATCHED: f64 = 0.2;

/// Networks on one graph.
pub struct Networks {
    services: Vec<String>,
    links: Vec<Link>,
}

impl Networks {
    pub fn new(edges: Vec<(String, String)>) -> Self {
        let mut services: Vec<String> =
            edges.iter().flat_map(|(from, to)| [from.clone(), to.clone()]).collect();
        services.sort();
        services.dedup();
        let place = |name: &String| services.binary_search(name).unwrap_or(0) as u32;
        // What an edge carries was not recorded: all are alike.
        let link = |(from, to): &(String, String)| Link {
            from: place(from),
            to: place(to),
            rate: 1.0,
            errors: 0.0,
            latency_ms: 1.0,
        };
        let links = edges.iter().map(link).collect();
        Self { services, links }
    }

    /// Trains a kind of network and asks it.
    pub fn foresee(&self, kind: Kind, task: &Task<'_>) -> Result<Vec<f64>> {
        let normals = self.normals(task.learn.0, task.learn.1);
        let watched = ((1.0 - WATCHED) * task.learn.1.len() as f64) as usize;
        let mut sum = vec![0.0; task.ask.1.len()];
        for seed in SEEDS {
            let make = |day, moments: &[Moment]| self.examples(kind, seed, day, moments, &normals);
            let training = make(task.learn.0, &task.learn.1[..watched]);
            let validation = make(task.learn.0, &task.learn.1[watched..]);
            let mut settings = Settings::new(kind, seed, String::new());
            settings.patience = 3;
            settings.decay = 0.1;
            let mut trainer = Trainer::new(settings, LAGS)?;
            while !matches!(trainer.go_on(&training, &validation)?, Progress::Done(_)) {}
            let answers = ask(&trainer.best(), &make(task.ask.0, task.ask.1))?;
            for (sum, told) in sum.iter_mut().zip(&answers.services) {
                *sum += 1.0 / (1.0 + f64::from(-told.logit).exp()) / SEEDS.len() as f64;
            }
        }
        Ok(sum)
    }

    /// What is usual, from minutes after which nothing breaches.
    fn normals(&self, day: &Day, moments: &[Moment]) -> Vec<Normal> {
        let readings = self.readings(day);
        let well: Vec<usize> =
            moments.iter().filter(|moment| !moment.fails).map(|moment| moment.minute).collect();
        readings.iter().map(|service| Normal::of(well.iter().map(|minute| &service[*minute]))).collect()
    }

    /// Of each service its minutes.
    fn readings(&self, day: &Day) -> Vec<Vec<Reading>> {
        let minutes = day.series.values().map(Vec::len).max().unwrap_or(0);
        let of = |service: &String| {
            let mut readings = vec![NOTHING_READ; minutes];
            for quantity in Quantity::ALL {
                let Some(series) = day.series.get(&(service.clone(), quantity.name().to_owned())) else {
                    continue;
                };
                for (reading, value) in readings.iter_mut().zip(series) {
                    reading[*quantity as usize] = *value as f32;
                }
            }
            readings
        };
        self.services.iter().map(of).collect()
    }

    fn examples(
        &self,
        kind: Kind,
        seed: u64,
        day: &Day,
        moments: &[Moment],
        normals: &[Normal],
    ) -> Vec<Example> {
        let readings = self.readings(day);
        let graph = match kind {
            Kind::Graph => Graph::new(self.services.len(), &self.links),
            Kind::ShuffledGraph => Graph::shuffled(self.services.len(), &self.links, seed),
            Kind::NoGraph | Kind::Mlp | Kind::Logistic => Graph::alone(self.services.len()),
        };
        let ticks: Vec<usize> = (0..LAGS).collect();
        let example = |moment: &Moment| {
            let last = moment.minute + 1 - LAGS..=moment.minute;
            let services: Vec<(&[Reading], &Normal)> =
                readings.iter().zip(normals).map(|(all, normal)| (&all[last.clone()], normal)).collect();
            let truth = if moment.fails { Breach::After(0.5) } else { Breach::Never };
            // Only the front service has an objective.
            let labels = self.services.iter().map(|service| (service == FRONT.0).then_some(truth)).collect();
            Example {
                featured: Featured::at_ticks(&services, &ticks),
                graph: graph.clone(),
                labels: Some(Labels { services: labels, graph: Some(truth) }),
            }
        };
        moments.iter().map(example).collect()
    }
}
