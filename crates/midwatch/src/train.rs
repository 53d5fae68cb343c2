//! `midwatch train`: files in, files out, around the training of `midwatch-prediction`.

mod report;
mod rivals;

use crate::cli::{KindArg, TrainArgs, TrainCommand};
use crate::exit::{DONE, Exit, Usage};
use crate::output::{self, out};
use anyhow::{Context as _, Result, anyhow};
use midwatch_prediction::network::Kind;
use midwatch_prediction::simulate::{self, Plan};
use midwatch_prediction::window::{Recorded, WindowSet};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Set when somebody wants to stop.
pub type Stop = Arc<AtomicBool>;

/// Runs `midwatch train …` on a thread of its own, so that an interrupt is heard.
pub async fn run(args: TrainArgs) -> Result<Exit> {
    let stop = Stop::default();
    let heard = stop.clone();
    let listener = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            heard.store(true, Ordering::Relaxed);
        }
    });
    let done = tokio::task::spawn_blocking(move || command(args, &stop)).await?;
    listener.abort();
    done
}

fn command(args: TrainArgs, stop: &Stop) -> Result<Exit> {
    match args.command {
        Some(TrainCommand::Generate {
            out,
            windows,
            seed,
            services_min,
            services_max,
            horizon_ticks,
            graph,
        }) => {
            if windows == 0 || services_min == 0 || services_min > services_max || horizon_ticks < 20 {
                let what = "there must be windows and services, no more of the fewest than of the most, and 20 ticks of horizon";
                return Err(anyhow!(Usage(what.into())));
            }
            let graphs = graph.iter().map(|file| edges(file)).collect::<Result<_>>()?;
            let services = (services_min, services_max);
            generate(&out, &Plan { seed, windows, services, horizon_ticks, graphs })
        }
        Some(TrainCommand::Window { data, number }) => {
            let (set, _) = read(&data)?;
            let count = set.windows.len();
            let window = set.windows.get(number);
            let window =
                window.ok_or_else(|| anyhow!(Usage(format!("there are {count} windows, counted from 0"))))?;
            output::json(&Recorded::of(window))?;
            Ok(DONE)
        }
        None => rivals::train(&args, stop),
    }
}

/// A set and the digest of its file.
pub fn read(path: &Path) -> Result<(WindowSet, String)> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let set = WindowSet::from_bytes(&bytes).with_context(|| path.display().to_string())?;
    Ok((set, WindowSet::digest(&bytes)))
}

fn generate(path: &Path, plan: &Plan) -> Result<Exit> {
    let began = Instant::now();
    let set = simulate::generate(plan, |done| {
        if done % 200 == 0 {
            eprintln!("{done} of {} windows, {:.0} s", plan.windows, began.elapsed().as_secs_f64());
        }
    })?;
    write(path, &set.to_bytes()?)?;
    let failing = set.outcomes.iter().filter(|outcome| outcome.first_breach().is_some()).count();
    let services: usize = set.windows.iter().map(|window| window.services.len()).sum();
    out!(
        "{} windows of {services} services in {}; a failure follows in {failing}. Train with: midwatch train {}",
        set.windows.len(),
        path.display(),
        path.display()
    );
    Ok(DONE)
}

/// Writes beside and renames, so that nobody reads half a file.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let beside = PathBuf::from(format!("{}.part", path.display()));
    std::fs::write(&beside, bytes).with_context(|| format!("cannot write {}", beside.display()))?;
    std::fs::rename(&beside, path).with_context(|| format!("cannot write {}", path.display()))
}

/// A graph from lines `caller callee`.
fn edges(path: &Path) -> Result<(usize, Vec<(usize, usize)>)> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut edges = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [from, to] = words[..] else {
            let what = format!("{}:{}: `{line}` is not `caller callee`", path.display(), number + 1);
            return Err(anyhow!(Usage(what)));
        };
        let [from, to] = [from, to].map(|name| {
            let next = places.len();
            *places.entry(name.to_owned()).or_insert(next)
        });
        edges.push((from, to));
    }
    if edges.is_empty() {
        return Err(anyhow!(Usage(format!(
            "{} names no edge; write a line `caller callee` for each",
            path.display()
        ))));
    }
    Ok((places.len(), edges))
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Graph => Kind::Graph,
            KindArg::ShuffledGraph => Kind::ShuffledGraph,
            KindArg::NoGraph => Kind::NoGraph,
            KindArg::Mlp => Kind::Mlp,
            KindArg::Logistic => Kind::Logistic,
        }
    }
}
