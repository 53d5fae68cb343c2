//! The project's chores: `cargo xtask demo | test | ci | bench | eval | soak`.

mod ci;
mod longer;
mod machine;
mod model;
mod shell;
mod soak;
mod test;
mod web;

use anyhow::{Context as _, Result, bail};
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask <chore>

  demo [ARGS]   build midwatch with its dashboard and run `midwatch demo` with ARGS (--scenario S --mode auto --json …)
  test          set up what the tests need (programs, the embedding model), run every test, say what was skipped and why
  ci            format, clippy, docs, tests, licences and unused dependencies
  bench [NAME]  print the numbers beside those that the design asks for
  eval WHAT     score a stage on labelled data (rca|logs|storms|retrieval|anomaly|foresight [DIR] --data DIR --json)
  convert SET IN OUT
                bring a third-party data set into midwatch's formats (petshop, nezha, nezha-forecast, rootcausebench,
                opensre, storms, loghub, runbooks, nab)
  soak [ARGS]   long runs: every scenario many times and quiet hours (--runs N --only NAME --quiet-s S)
  soak foresight [RUNS] [HEALTHY_MINUTES] [SEED]
                faults of the lab that come slowly (12), and minutes in which nothing is wrong (60): what was foreseen
  soak actions  every action at every point at which it can fail, every commit of a workflow's run, every step of every
                runbook: as before, or told to a person; counted at the target
  soak alertmanager|kills|fuzz [N] [SEED]
                what the test command tries a few times, N times: cases beside a real Alertmanager (10000), kills under
                load with Alertmanager's losses beside them (200), random bodies for each parser (100000)";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let chore = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    match run(&chore, &rest) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: &str, args: &[String]) -> Result<ExitCode> {
    match chore {
        "demo" => demo(args),
        "test" => test::run(),
        "ci" => ci::run(),
        "bench" => bench(args),
        "eval" => eval(args),
        "convert" => {
            shell::cargo(&["run", "--release", "--quiet", "-p", "midwatch-eval", "--", "convert"], args)
        }
        "soak" => match args.first().and_then(|name| longer::by_name(name, &args[1..])) {
            Some(end) => end,
            None if args.first().is_some_and(|name| name == "foresight") => foreseen(&args[1..]),
            None => soak::run(args),
        },
        "" | "help" | "--help" => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        other => bail!("`{other}` is not a chore\n\n{USAGE}"),
    }
}

/// Scores with the embedding model where that is asked about and can be had.
fn eval(args: &[String]) -> Result<ExitCode> {
    let mut args = args.to_vec();
    if args.first().is_some_and(|what| what == "retrieval")
        && !args.iter().any(|arg| arg.starts_with("--model"))
    {
        match model::obtain() {
            Ok(dir) => args.extend(["--model".to_owned(), dir.display().to_string()]),
            Err(error) => eprintln!("without the embedding model ({error:#}), words alone are scored"),
        }
    }
    shell::cargo(&["run", "--release", "--quiet", "-p", "midwatch-eval", "--"], &args)
}

/// Measures the release binary, built from the sources as they are.
fn bench(args: &[String]) -> Result<ExitCode> {
    if args.first().is_some_and(|name| name == "web")
        && let Err(why) = web::build()
    {
        bail!("the dashboard cannot be built: {why}");
    }
    shell::release_binary()?;
    shell::cargo(&["run", "--release", "--quiet", "-p", "midwatch-bench", "--"], args)
}

/// Watches a lab with the release binary, for as long as is asked.
fn foreseen(args: &[String]) -> Result<ExitCode> {
    shell::release_binary()?;
    let names = ["MIDWATCH_SOAK_RUNS", "MIDWATCH_SOAK_HEALTHY_MIN", "MIDWATCH_SOAK_SEED"];
    let mut cargo = shell::command(&shell::cargo_program());
    cargo.args(["run", "--release", "--quiet", "-p", "midwatch-bench", "--", "foreseen"]);
    let status = cargo.envs(names.iter().zip(args)).status().context("cannot start cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds the release binary and hands over to it; its exit code is the chore's.
fn demo(args: &[String]) -> Result<ExitCode> {
    if let Err(why) = web::build() {
        eprintln!("without the dashboard: {why}");
    }
    let binary = shell::release_binary()?;
    let model = model::obtain();
    if let Err(error) = &model {
        eprintln!("without the embedding model ({error:#}), knowledge is found by words alone");
    }
    let variables: Vec<_> = model.iter().map(|dir| (model::VARIABLE, dir.as_os_str())).collect();
    shell::run_with(&binary, &["demo"], args, &variables)
}
