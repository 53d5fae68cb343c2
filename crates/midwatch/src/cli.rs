//! The command line.

mod autonomy;
mod client_args;
mod eval;
mod knowledge;
mod notify;
mod runbook;
mod train;

pub use autonomy::{AutonomyCommand, CombinationArgs};
pub use client_args::{
    ActArgs, AlertCommand, AlertFilters, ClientArgs, DeadLetterCommand, ForecastCommand, IncidentCommand,
    IncidentFilters, MaintenanceArgs, MaintenanceCommand,
};
pub use eval::EvalCommand;
pub use knowledge::{KnowledgeCommand, ModelCommand};
pub use notify::{NotifyCommand, PreviewArgs};
pub use runbook::{AboutArgs, BacktestArgs, RunbookCommand};
pub use train::{KindArg, PredictArgs, TrainArgs, TrainCommand};

use crate::config::{Config, SAMPLE};
use crate::exit::{DONE, Exit};
use crate::investigate::second_opinion;
use crate::output::{self, out};
use crate::{client, key, serve, store};
use anyhow::Result;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use midwatch_api::Scope;
use std::path::PathBuf;

/// An autonomous site reliability engineer that stands the night watch.
#[derive(Parser)]
#[command(name = "midwatch", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Break a real service, watch midwatch notice, explain, fix and prove it.
    #[cfg(feature = "lab")]
    Demo(crate::demo::DemoArgs),
    /// Watch what the configuration names, until told to stop.
    Serve {
        /// The configuration file.
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
        /// End when the process that started this one ends.
        #[arg(long, hide = true)]
        die_with_parent: bool,
    },
    /// One cycle on the configured source: exit 0 when it could be read and nothing is open, else 1.
    Run {
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
        /// The only way to run so far; without it, use `serve`.
        #[arg(long, required = true)]
        once: bool,
        #[arg(long)]
        json: bool,
    },
    /// The demo world: six real services with traffic, faults and deployments.
    #[cfg(feature = "lab")]
    Lab(midwatch_lab::cli::Args),
    /// Alerts and anomalies.
    Alert {
        #[command(flatten)]
        client: ClientArgs,
        #[command(subcommand)]
        command: AlertCommand,
    },
    /// Incidents.
    Incident {
        #[command(flatten)]
        client: ClientArgs,
        #[command(subcommand)]
        command: IncidentCommand,
    },
    /// Why an alert or an incident was handled as it was, step by step.
    Why {
        #[command(flatten)]
        client: ClientArgs,
        /// `inc-…`, `alt-…`, `sig-…`, or an alert's fingerprint for its newest episode.
        id: String,
    },
    /// Watch in the terminal: approvals, open incidents, services.
    Top {
        #[command(flatten)]
        client: ClientArgs,
        /// Who decides; default: the user of this machine.
        #[arg(long)]
        by: Option<String>,
    },
    /// Approve the plan that an incident waits with.
    Approve {
        #[command(flatten)]
        client: ClientArgs,
        incident: String,
        /// Hash of the plan that was looked at; default: the one that waits now.
        #[arg(long)]
        plan: Option<String>,
        #[arg(long)]
        by: Option<String>,
    },
    /// Deny the plan that an incident waits with; the incident is handed to people.
    Deny {
        #[command(flatten)]
        client: ClientArgs,
        incident: String,
        #[arg(long)]
        plan: Option<String>,
        #[arg(long)]
        by: Option<String>,
        #[arg(long)]
        reason: Option<String>,
    },
    /// How far midwatch may go by itself, per action, service and cause.
    Autonomy {
        #[command(flatten)]
        client: ClientArgs,
        #[command(subcommand)]
        command: AutonomyCommand,
    },
    /// Runbooks whose steps run, and workflows: check, match, rehearse, outline (docs/runbooks.md).
    Runbook {
        #[command(subcommand)]
        command: RunbookCommand,
    },
    /// What another policy would have done with recorded incidents: differences in actions and in who is asked.
    Backtest {
        #[command(flatten)]
        client: ClientArgs,
        #[command(flatten)]
        wanted: BacktestArgs,
    },
    /// Act on a service yourself: through the same gate and onto the same journal as midwatch.
    Act {
        #[command(flatten)]
        client: ClientArgs,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Find the root cause of an incident that lies in a folder (docs/bundles.md); no server is asked.
    Investigate {
        /// The folder with an incident.json and whatever else is known.
        dir: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Also say what each component's score is made of, and what was left out of the bundle.
        #[arg(long)]
        explain: bool,
        #[command(flatten)]
        model: ModelArgs,
    },
    /// Score midwatch on your own past incidents.
    Eval {
        #[command(subcommand)]
        command: EvalCommand,
    },
    /// Train the model that foresees failures, or make the windows for that (docs/foresight.md).
    Train(TrainArgs),
    /// Foresee failures from a recorded window; no server is asked.
    Predict(PredictArgs),
    /// What the running server foresees, and how its earlier forecasts were graded.
    Forecast {
        #[command(flatten)]
        client: ClientArgs,
        #[command(subcommand)]
        command: ForecastCommand,
    },
    /// Planned time in which nothing is opened and nobody is paged.
    Maintenance {
        #[command(flatten)]
        client: ClientArgs,
        #[command(subcommand)]
        command: MaintenanceCommand,
    },
    /// Dead letters: what could not be read or handled, kept whole.
    Dlq {
        #[command(flatten)]
        client: ClientArgs,
        #[command(subcommand)]
        command: DeadLetterCommand,
    },
    /// Runbooks, service docs and past incidents: search, add, review what is learnt.
    Knowledge {
        #[command(flatten)]
        client: ClientArgs,
        #[command(subcommand)]
        command: KnowledgeCommand,
    },
    /// Who is told, and how: preview, test, status.
    Notify {
        #[command(flatten)]
        client: ClientArgs,
        #[command(subcommand)]
        command: NotifyCommand,
    },
    /// How the watch is doing.
    Status {
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Check a configuration, or print a sample or its JSON schema.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Bring another tool's configuration into midwatch's. What has no equivalent is named on standard error.
    Import {
        #[command(subcommand)]
        command: ImportCommand,
    },
    /// Kubernetes: try out what midwatch may do in a cluster.
    #[cfg(feature = "kubernetes")]
    K8s {
        #[command(subcommand)]
        command: crate::kubernetes::KubernetesCommand,
    },
    /// API keys with names and scopes.
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// People who sign in to the dashboard with a password.
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Check or rebuild the store. A server may run during `verify`, not during `rebuild`.
    Store {
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// Print the API's OpenAPI document.
    Openapi,
    /// Print shell completions.
    Completions { shell: clap_complete::Shell },
}

/// Whether a language model is asked, too.
#[derive(Args)]
pub struct ModelArgs {
    /// Ask the language model of [llm] for a second opinion; whatever fails, the verdict of the numbers comes.
    #[arg(long)]
    pub llm: bool,
    /// The configuration file with [llm]; without it, the environment says it (MIDWATCH_LLM__PROVIDER=…).
    #[arg(short, long, value_name = "FILE", requires = "llm")]
    pub config: Option<PathBuf>,
    /// With --llm or --replay: also have it put the class of the alert, the impact, a plan and a summary into words.
    #[arg(long)]
    pub words: bool,
    /// Write every call to this file, a JSON object per line.
    #[arg(long, value_name = "FILE", requires = "llm")]
    pub record: Option<PathBuf>,
    /// Answer from such a file instead of asking anybody.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["llm", "record"])]
    pub replay: Option<PathBuf>,
}

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Say whether a configuration can be used, and what to fix.
    Check { file: PathBuf },
    /// Print a commented sample.
    Sample,
    /// Print the JSON schema.
    Schema,
}

#[derive(Subcommand)]
pub enum ImportCommand {
    /// Prometheus Alertmanager: routes, receivers with webhooks, inhibition rules, time intervals.
    Alertmanager {
        /// Its configuration file (YAML).
        file: PathBuf,
        /// Where to write; default: standard output.
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
pub enum KeyCommand {
    /// Make a key. It is printed once; the lines for the configuration hold only its hash.
    New {
        /// Whose key it is: small letters, digits and `-`.
        #[arg(long)]
        name: String,
        /// read, ingest, act, admin; several with commas.
        #[arg(long, value_delimiter = ',', required = true)]
        scopes: Vec<Scope>,
    },
}

#[derive(Subcommand)]
pub enum UserCommand {
    /// Read a password from standard input and print the lines for the configuration, which hold only its hash.
    New {
        /// Who it is: small letters, digits and `-`.
        #[arg(long)]
        name: String,
        /// read, ingest, act, admin; several with commas.
        #[arg(long, value_delimiter = ',', required = true)]
        scopes: Vec<Scope>,
    },
}

#[derive(Subcommand)]
pub enum StoreCommand {
    /// Check every stream's hash chain and head, and the file itself.
    Verify {
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[arg(long)]
        path: Option<PathBuf>,
        #[arg(long)]
        json: bool,
    },
    /// Rows and bytes of each table; a server may be running.
    Size {
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[arg(long)]
        path: Option<PathBuf>,
        #[arg(long)]
        json: bool,
    },
    /// Throw the views away and fold them again from the streams.
    Rebuild {
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[arg(long)]
        path: Option<PathBuf>,
    },
}

/// Runs a command.
pub async fn run(cli: Cli) -> Result<Exit> {
    match cli.command {
        #[cfg(feature = "lab")]
        Command::Demo(args) => crate::demo::run(args).await,
        #[cfg(feature = "lab")]
        Command::Lab(_) => unreachable!("the lab is started before the runtime"),
        Command::Serve { config, die_with_parent } => {
            if die_with_parent {
                serve::die_with_parent()?;
            }
            serve::serve(&config).await
        }
        Command::Run { config, once: _, json } => serve::once(&config, json).await,
        Command::Alert { client, command } => client::alert(&client, command).await,
        Command::Incident { client, command } => client::incident(&client, command).await,
        Command::Why { client, id } => client::why(&client, &id).await,
        Command::Top { client, by } => client::top::run(&client, by).await,
        Command::Approve { client, incident, plan, by } => {
            client::answer(&client, "approve", &incident, plan, by, None).await
        }
        Command::Deny { client, incident, plan, by, reason } => {
            client::answer(&client, "deny", &incident, plan, by, reason).await
        }
        Command::Autonomy { client, command } => client::autonomy::run(&client, command).await,
        Command::Runbook { command } => match command {
            RunbookCommand::Run { client, workflow, dry_run: _, about } => {
                client::runbook::rehearse(&client, &workflow, &about).await
            }
            RunbookCommand::Generate { client, cause, service, output, words, config } => {
                let model = words.then(|| second_opinion::advisor(config.as_deref())).transpose()?;
                client::runbook::generate(&client, cause, service.as_deref(), output.as_deref(), model).await
            }
            local => crate::runbook::run(local),
        },
        Command::Backtest { client, wanted } => client::runbook::backtest(&client, &wanted).await,
        Command::Act { client, act } => client::act(&client, act).await,
        Command::Investigate { dir, json, explain, model } => {
            crate::investigate::run(&dir, json, explain, &model).await
        }
        Command::Eval { command } => crate::investigate::eval(command),
        Command::Train(args) => crate::train::run(args).await,
        Command::Predict(args) => crate::predict::run(&args),
        Command::Forecast { client, command } => client::forecasts::run(&client, command).await,
        Command::Maintenance { client, command } => client::maintenance::run(&client, command).await,
        Command::Dlq { client, command } => client::dead_letters::run(&client, command).await,
        Command::Knowledge { command: KnowledgeCommand::Model { command }, .. } => {
            crate::knowledge::run(command)
        }
        Command::Knowledge { client, command } => client::knowledge::run(&client, command).await,
        Command::Notify { client, command } => match command {
            NotifyCommand::Preview(args) => crate::notify::preview(&client, args).await,
            NotifyCommand::Test { receiver } => client::notify::test(&client, receiver).await,
            NotifyCommand::Status { limit } => client::notify::status(&client, limit).await,
        },
        Command::Status { client } => client::status(&client).await,
        Command::Config { command } => config(command),
        Command::Import { command } => crate::import::run(command),
        #[cfg(feature = "kubernetes")]
        Command::K8s { command } => crate::kubernetes::run(command).await,
        Command::Key { command: KeyCommand::New { name, scopes } } => key::new(&name, &scopes),
        Command::User { command: UserCommand::New { name, scopes } } => key::new_user(&name, &scopes),
        Command::Store { command } => store::run(command).await,
        Command::Openapi => crate::output::json(&midwatch_api::openapi()).map(|()| DONE),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "midwatch", &mut std::io::stdout());
            Ok(DONE)
        }
    }
}

fn config(command: ConfigCommand) -> Result<Exit> {
    match command {
        ConfigCommand::Check { file } => {
            let config = Config::load(&file)?;
            config.check_surroundings()?;
            out!(
                "{} is fine: mode {}, dry_run {}, {} services",
                file.display(),
                config.mode,
                config.dry_run,
                config.services.len()
            );
            config.notes().iter().for_each(|note| out!("note: {note}"));
        }
        ConfigCommand::Sample => output::write(format_args!("{SAMPLE}")),
        ConfigCommand::Schema => crate::output::json(&schemars::schema_for!(Config))?,
    }
    Ok(DONE)
}
