//! Trains every kind with every seed, compares them, and writes down who serves.

use super::{Stop, read, report, write};
use crate::cli::TrainArgs;
use crate::exit::{DONE, Exit, FAILED, Usage};
use crate::output::out;
use anyhow::{Context as _, Result, anyhow};
use midwatch_prediction::features::{FEATURE_VERSION, SNAPSHOTS};
use midwatch_prediction::model::{Calibration, Meta, Model};
use midwatch_prediction::network::{Kind, Network};
use midwatch_prediction::rivals::{Candidate, ask, calibrate, choose, examples, persistence, split};
use midwatch_prediction::serving::{Inputs, inputs};
use midwatch_prediction::simulate::Plan;
use midwatch_prediction::train::{Epoch, Progress, Settings, Trainer};
use midwatch_prediction::window::{Story, WINDOW_VERSION, WindowSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Seed of the split into windows to train on and to validate with: the same for all, or they could not be compared.
const SPLIT: u64 = 1;

/// A network that is trained, with how it got there.
pub struct Trained {
    pub network: Network,
    pub epochs: Vec<Epoch>,
    pub seconds: f64,
}

/// What a run of training works with.
struct Run<'a> {
    set: &'a WindowSet,
    training: Vec<usize>,
    validation: Vec<usize>,
    output: &'a Path,
    stop: &'a Stop,
}

/// Trains what the arguments ask for.
pub fn train(args: &TrainArgs, stop: &Stop) -> Result<Exit> {
    let path = args.data.as_ref().ok_or_else(|| anyhow!(Usage("name a file of windows".into())))?;
    let (set, data) = read(path)?;
    let (training, validation) = split(set.windows.len(), SPLIT);
    let run = Run { set: &set, training, validation, output: &args.output, stop };
    let (mut candidates, mut trained) = (vec![], vec![]);
    for kind in args.kinds.iter().map(|kind| Kind::from(*kind)) {
        for seed in args.seed..args.seed + args.seeds.max(1) {
            let mut settings = Settings::new(kind, seed, data.clone());
            settings.epochs = args.epochs.unwrap_or(settings.epochs);
            let Some(one) = run.one(&settings)? else {
                out!("stopped; the same command goes on from here");
                return Ok(FAILED);
            };
            let answers = ask(&one.network, &examples(run.set, &run.validation, kind, seed))?;
            candidates.push(Candidate { kind: Some(kind), seed, answers });
            trained.push(one);
        }
    }
    candidates.push(Candidate { kind: None, seed: 0, answers: persistence(&set, &run.validation) });
    let command = command(args, &set);
    let (winner, why) = choose(&candidates)?;
    let healthy = run.training.iter().filter(|window| set.outcomes[**window].story == Story::Healthy);
    let about = About {
        data,
        horizon_ticks: set.horizon_ticks,
        trained_on: run.training.len(),
        inputs: inputs(healthy.map(|window| &set.windows[*window])),
        command,
    };
    for (candidate, one) in candidates.iter().zip(&trained) {
        let name = stem(candidate.kind.unwrap_or(Kind::Graph), candidate.seed);
        save(&run.output.join("candidates").join(name), &about.model(candidate, one, &[], String::new()))?;
    }
    let model = about.model(&candidates[winner], &trained[winner], &candidates, why);
    save(&run.output.join("model"), &model)?;
    report::write_all(run.output, &model, &candidates, winner, &trained)?;
    out!("{}.\nThe model is in {}, the report in report.md there.", model.meta.why, run.output.display());
    Ok(DONE)
}

/// What makes the model again, if the windows are simulated on random graphs of the usual size.
fn command(args: &TrainArgs, set: &WindowSet) -> String {
    let usual = Plan::default();
    let mut words =
        vec![format!("midwatch train generate windows.safetensors --windows {}", set.windows.len())];
    words.push(format!("--seed {}", set.seed));
    if set.horizon_ticks != usual.horizon_ticks {
        words.push(format!("--horizon-ticks {}", set.horizon_ticks));
    }
    words.push(format!("&& midwatch train windows.safetensors --seed {} --seeds {}", args.seed, args.seeds));
    if let Some(epochs) = args.epochs {
        words.push(format!("--epochs {epochs}"));
    }
    words.join(" ")
}

fn stem(kind: Kind, seed: u64) -> String {
    format!("{}-{seed}", kind.name())
}

/// Writes a model's two files.
fn save(stem: &Path, model: &Model) -> Result<()> {
    let (weights, about) = model.to_files()?;
    write(&stem.with_extension("safetensors"), &weights)?;
    write(&stem.with_extension("json"), about.as_bytes())
}

impl Run<'_> {
    /// Trains one network, or takes up where an earlier run was stopped. `None` when it is stopped now.
    fn one(&self, settings: &Settings) -> Result<Option<Trained>> {
        let file = self.output.join("checkpoints").join(stem(settings.kind, settings.seed));
        let mut trainer = start(&file, settings)?;
        let training = examples(self.set, &self.training, settings.kind, settings.seed);
        let validation = examples(self.set, &self.validation, settings.kind, settings.seed);
        let began = Instant::now();
        loop {
            match trainer.go_on(&training, &validation)? {
                Progress::Step(..) if self.stop.load(Ordering::Relaxed) => {
                    write(&file, &trainer.checkpoint()?)?;
                    return Ok(None);
                }
                Progress::Step(..) => {}
                Progress::Epoch(epoch) => {
                    write(&file, &trainer.checkpoint()?)?;
                    say(settings, &epoch, began.elapsed().as_secs_f64());
                }
                Progress::Done(_) => break,
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        Ok(Some(Trained { network: trainer.best(), epochs: trainer.epochs().to_vec(), seconds }))
    }
}

fn start(file: &PathBuf, settings: &Settings) -> Result<Trainer> {
    if !file.exists() {
        return Ok(Trainer::new(settings.clone(), SNAPSHOTS)?);
    }
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Trainer::resume(&bytes, settings).with_context(|| file.display().to_string())
}

fn say(settings: &Settings, epoch: &Epoch, seconds: f64) {
    eprintln!(
        "{}, seed {}: epoch {} of {}, loss {:.4}, on validation {:.4}, {seconds:.0} s",
        settings.kind.title(),
        settings.seed,
        epoch.number,
        settings.epochs,
        epoch.training,
        epoch.validation
    );
}

/// What all models of a run have in common.
struct About {
    data: String,
    horizon_ticks: u32,
    trained_on: usize,
    inputs: Inputs,
    command: String,
}

impl About {
    fn model(&self, candidate: &Candidate, trained: &Trained, rivals: &[Candidate], why: String) -> Model {
        let calibration = Calibration {
            services: calibrate(&candidate.answers.services),
            graphs: calibrate(&candidate.answers.graphs),
        };
        let mut rivals: Vec<_> = rivals.iter().map(Candidate::rival).collect();
        rivals.sort_by(|a, b| a.scores.log_loss.total_cmp(&b.scores.log_loss));
        let meta = Meta {
            window_version: WINDOW_VERSION,
            feature_version: FEATURE_VERSION,
            kind: trained.network.kind,
            seed: candidate.seed,
            snapshots: SNAPSHOTS,
            horizon_ticks: self.horizon_ticks,
            trained_on: self.trained_on,
            data: self.data.clone(),
            weights_sha256: String::new(),
            calibration,
            inputs: self.inputs.clone(),
            rivals,
            why,
            command: self.command.clone(),
        };
        Model::new(trained.network.clone(), meta)
    }
}
