//! What the commands take that ask a running server.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Where the server is.
#[derive(Args)]
pub struct ClientArgs {
    /// The server's address.
    #[arg(long, env = "MIDWATCH_URL", default_value = "http://127.0.0.1:7700", global = true)]
    pub url: String,
    /// The server's API key.
    #[arg(long, env = "MIDWATCH_API_KEY", hide_env_values = true, global = true)]
    pub api_key: Option<String>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Subcommand)]
pub enum AlertCommand {
    /// Alerts and anomalies, newest first.
    List {
        #[command(flatten)]
        filters: AlertFilters,
    },
    /// One alert as it was last told.
    Show {
        /// `alt-…`, `sig-…`, or an alert's fingerprint for its newest episode.
        id: String,
    },
}

/// Which alerts are listed.
#[derive(Args)]
pub struct AlertFilters {
    /// firing, acknowledged, suppressed or resolved
    #[arg(long)]
    pub status: Option<String>,
    /// info, warning, high or critical
    #[arg(long)]
    pub severity: Option<String>,
    #[arg(long)]
    pub service: Option<String>,
    /// Who told it, such as alertmanager; `midwatch` for its own anomalies.
    #[arg(long)]
    pub source: Option<String>,
    #[arg(long)]
    pub incident: Option<String>,
    /// Labels, such as team=db or pod=~"web-.*"; may be given several times, all must hold.
    #[arg(long = "match", value_name = "MATCHERS")]
    pub matchers: Vec<String>,
    /// Received at or after: so long ago (1h) or a time (2026-11-22T03:00:00Z).
    #[arg(long)]
    pub since: Option<String>,
    /// Received before.
    #[arg(long)]
    pub until: Option<String>,
    #[arg(long, default_value_t = 50)]
    pub limit: usize,
    /// Where an earlier list said that it goes on.
    #[arg(long)]
    pub cursor: Option<String>,
}

/// Which incidents are listed.
#[derive(Args)]
pub struct IncidentFilters {
    /// Only those that still need work.
    #[arg(long)]
    pub open: bool,
    /// Such as diagnosed or awaiting_approval.
    #[arg(long)]
    pub state: Option<String>,
    #[arg(long)]
    pub service: Option<String>,
    /// Such as latency_spike.
    #[arg(long)]
    pub cause: Option<String>,
    /// Opened at or after: so long ago (1h) or a time (2026-11-22T03:00:00Z).
    #[arg(long)]
    pub since: Option<String>,
    /// Opened before.
    #[arg(long)]
    pub until: Option<String>,
    #[arg(long, default_value_t = 100)]
    pub limit: usize,
    /// Where an earlier list said that it goes on.
    #[arg(long)]
    pub cursor: Option<String>,
}

#[derive(Subcommand)]
pub enum IncidentCommand {
    /// Incidents, newest first.
    List {
        #[command(flatten)]
        filters: IncidentFilters,
    },
    /// Verdict, evidence, what was or would be done, how to undo it.
    Show { id: String },
    /// The postmortem as Markdown.
    Postmortem { id: String },
    /// Say that you have it: nobody is told the same of it again.
    Ack {
        id: String,
        #[arg(long)]
        by: Option<String>,
    },
    /// Say who answers for it; without a name, nobody in particular.
    Assign {
        id: String,
        to: Option<String>,
        #[arg(long)]
        by: Option<String>,
    },
    /// Nobody is told of it for so long, but for its end.
    Snooze {
        id: String,
        /// Such as 30m, 4h or 2d; at most 7d.
        #[arg(long = "for", value_name = "DURATION")]
        long: String,
        #[arg(long, default_value = "")]
        reason: String,
        #[arg(long)]
        by: Option<String>,
    },
    /// Make one of two: what it knows goes to the other, and it is closed.
    Merge {
        id: String,
        /// The incident that goes on for both.
        into: String,
        #[arg(long, default_value = "")]
        reason: String,
        #[arg(long)]
        by: Option<String>,
    },
    /// Make two of one: these signals become an incident of their own.
    Split {
        id: String,
        /// Their ids; `midwatch incident show ID --json` has them.
        #[arg(required = true)]
        signals: Vec<String>,
        #[arg(long, default_value = "")]
        reason: String,
        #[arg(long)]
        by: Option<String>,
    },
    /// Write it as a bundle, a folder that `midwatch investigate` reads and that can be handed over. Secrets are redacted.
    Export {
        id: String,
        /// A folder that does not exist yet or is empty.
        dir: PathBuf,
    },
}

#[derive(Subcommand)]
pub enum ForecastCommand {
    /// Who will probably break its objective, likeliest first.
    List,
    /// Hits, misses and false alarms, whether probabilities meant what they said, and whether inputs have drifted.
    Ledger {
        /// Print CSV.
        #[arg(long, conflicts_with = "json")]
        csv: bool,
    },
    /// When memory, connection pools and CPU will be full, and whether incidents become more.
    Capacity {
        /// Only this service.
        service: Option<String>,
    },
}

#[derive(Subcommand)]
pub enum MaintenanceCommand {
    /// Plan work on a service, or on whatever has certain labels.
    Add(MaintenanceArgs),
    /// What is or will be in maintenance.
    List {
        /// Also what was.
        #[arg(long)]
        expired: bool,
    },
    /// End it now; what fires still is handled after all.
    End { id: String },
}

/// Planned work.
#[derive(Args)]
pub struct MaintenanceArgs {
    #[arg(long)]
    pub service: Option<String>,
    /// Labels, such as cluster="eu-1"; may be given several times, all must hold.
    #[arg(long = "match", value_name = "MATCHERS")]
    pub matchers: Vec<String>,
    /// A time such as 2026-11-22T03:00:00Z; default: now.
    #[arg(long)]
    pub start: Option<String>,
    #[arg(long, conflicts_with = "lasts")]
    pub end: Option<String>,
    /// How long, such as 2h or 90m.
    #[arg(long = "for", value_name = "DURATION")]
    pub lasts: Option<String>,
    #[arg(long)]
    pub reason: String,
    #[arg(long)]
    pub by: Option<String>,
}

#[derive(Subcommand)]
pub enum DeadLetterCommand {
    /// Dead letters, newest first.
    List {
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Where an earlier list said that it goes on.
        #[arg(long)]
        cursor: Option<String>,
    },
    /// One of them with its body.
    Show { id: String },
    /// Try it again, on the way on which it came.
    Retry { id: String },
}

/// A person's action.
#[derive(Args)]
pub struct ActArgs {
    /// rollback, restart, restart_db_pool, resize_db_pool, scale, circuit_break, delete_pod, cordon, set_image,
    /// set_resources or pull_request
    pub action: String,
    pub service: String,
    /// For rollback: the version to go back to; default: the one that served before.
    #[arg(long)]
    pub to: Option<String>,
    /// For scale.
    #[arg(long)]
    pub replicas: Option<u32>,
    /// For resize_db_pool.
    #[arg(long)]
    pub size: Option<u32>,
    /// For circuit_break: close the breaker instead of opening it.
    #[arg(long)]
    pub close: bool,
    /// For delete_pod.
    #[arg(long)]
    pub pod: Option<String>,
    /// For cordon: a node that the service runs on.
    #[arg(long)]
    pub node: Option<String>,
    /// For cordon: uncordon instead; for pull_request: close it instead.
    #[arg(long)]
    pub off: bool,
    /// For pull_request: the incident that it is about.
    #[arg(long, value_name = "ID")]
    pub incident: Option<String>,
    /// For set_image and set_resources; default: the only container.
    #[arg(long)]
    pub container: Option<String>,
    /// For set_image.
    #[arg(long)]
    pub image: Option<String>,
    /// For set_resources, such as 500m; what is not named stays.
    #[arg(long, value_name = "QUANTITY")]
    pub cpu_limit: Option<String>,
    #[arg(long, value_name = "QUANTITY")]
    pub cpu_request: Option<String>,
    /// For set_resources, such as 512Mi.
    #[arg(long, value_name = "QUANTITY")]
    pub memory_limit: Option<String>,
    #[arg(long, value_name = "QUANTITY")]
    pub memory_request: Option<String>,
    #[arg(long)]
    pub by: Option<String>,
    #[arg(long)]
    pub reason: Option<String>,
}

impl ActArgs {
    /// What set_resources is to set.
    pub fn resources(&self) -> midwatch_model::action::Resources {
        midwatch_model::action::Resources {
            cpu_request: self.cpu_request.clone(),
            cpu_limit: self.cpu_limit.clone(),
            memory_request: self.memory_request.clone(),
            memory_limit: self.memory_limit.clone(),
        }
    }
}
