//! `midwatch eval …`: what can be scored.

use clap::Subcommand;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum EvalCommand {
    /// Group labelled alert storms and rank their roots: folders with storm.json (alerts, objects, aliases) and truth.json.
    Storms {
        dir: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Ask labelled questions: a folder with docs.jsonl (id, title, text) and queries.jsonl (text, gold).
    Retrieval {
        dir: PathBuf,
        /// A folder with the files of all-MiniLM-L6-v2; default: where `knowledge model install` puts them, and without them
        /// words alone count.
        #[arg(long, value_name = "DIR")]
        model: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Judge labelled series: folders with series.csv (timestamp, value) and windows.json (from, to).
    Anomaly {
        dir: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Foresee failures: a file of windows (`midwatch train generate`) with --candidates, or a folder with train/ and test/, each with
    /// series.csv (at, service, metric, value) and target.csv (at, value), and graph.csv (from, to).
    Foresight {
        data: PathBuf,
        /// The folder of candidates that `midwatch train` wrote.
        #[arg(long, value_name = "DIR")]
        candidates: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Foresee failures of simulated productions, watched tick by tick as real ones are.
    Watch {
        /// A folder with model.safetensors and model.json, as `midwatch train -o` writes it; without it, the model that ships.
        #[arg(long, value_name = "DIR")]
        model: Option<PathBuf>,
        /// Lives in which something goes wrong.
        #[arg(long, default_value_t = 60)]
        runs: usize,
        /// Hours in which nothing does.
        #[arg(long, default_value_t = 20)]
        healthy_hours: usize,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Find the templates of labelled logs: folders with logs.ndjson and labels.txt, a label per line.
    Logs {
        dir: PathBuf,
        /// Measure Drain3 on the same lines, too (needs python3 and pip).
        #[arg(long)]
        drain3: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Investigate every bundle below a folder that has a truth.json, and print how often the answer was right.
    Rca {
        dir: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}
