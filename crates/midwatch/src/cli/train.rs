//! `midwatch train …` and `midwatch predict`: what can be said.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Train the model that foresees failures, or make the windows for that.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct TrainArgs {
    #[command(subcommand)]
    pub command: Option<TrainCommand>,
    /// A file of windows (`midwatch train generate`).
    #[arg(required = true)]
    pub data: Option<PathBuf>,
    /// The folder that gets the model, the report and what is needed to go on after an interrupt.
    #[arg(short, long, value_name = "DIR", default_value = "foresight")]
    pub output: PathBuf,
    /// Each kind is trained with this seed and the following ones.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// With how many seeds each kind is trained.
    #[arg(long, default_value_t = 1)]
    pub seeds: u64,
    /// Kinds to train, with commas; persistence is always compared with.
    #[arg(long, value_delimiter = ',', default_values = ["graph", "shuffled-graph", "no-graph", "mlp", "logistic"])]
    pub kinds: Vec<KindArg>,
    /// At most so many passes over the data; default: what suits the kind.
    #[arg(long)]
    pub epochs: Option<usize>,
}

#[derive(Subcommand)]
pub enum TrainCommand {
    /// Simulate services that fail, and write labelled windows of that.
    Generate {
        /// The file that gets them.
        out: PathBuf,
        #[arg(long, default_value_t = 2000)]
        windows: usize,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Fewest services of a random graph.
        #[arg(long, default_value_t = 4)]
        services_min: usize,
        /// Most services of a random graph.
        #[arg(long, default_value_t = 14)]
        services_max: usize,
        /// Ticks of two seconds within which a breach counts.
        #[arg(long, default_value_t = 450)]
        horizon_ticks: u32,
        /// A graph to simulate on instead of random ones: a line `caller callee` for each edge. May be given several times.
        #[arg(long, value_name = "FILE")]
        graph: Vec<PathBuf>,
    },
    /// Print one window of a file as JSON, as `midwatch predict` reads it.
    Window {
        data: PathBuf,
        /// Which one, counted from 0.
        number: usize,
    },
}

/// A kind of network.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    Graph,
    ShuffledGraph,
    NoGraph,
    Mlp,
    Logistic,
}

/// Foresee failures from a recorded window.
#[derive(Args)]
pub struct PredictArgs {
    /// A window as JSON (docs/foresight.md); `-` reads standard input.
    pub window: PathBuf,
    /// The folder of a model; default: the one that ships with midwatch.
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Also say which model serves and why, and which features moved.
    #[arg(long)]
    pub explain: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
