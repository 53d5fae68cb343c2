//! The README's test command.

use crate::{machine, model, shell, web};
use anyhow::Result;
use std::process::ExitCode;

/// Sets up, runs every test, and says which suites could not run and why.
pub fn run() -> Result<ExitCode> {
    let missing = machine::set_up();
    // A test whose program is missing is left out and said to be; it must not pass by doing nothing.
    let mut left_out: Vec<String> = Vec::new();
    for tool in &missing {
        left_out.extend(["--skip".to_owned(), tool.tests.to_owned()]);
    }
    let npm = machine::set_up_npm();
    if npm.is_err() {
        left_out
            .extend(machine::NPM_TESTS.iter().flat_map(|tests| ["--skip".to_owned(), (*tests).to_owned()]));
    }
    let web = web::build();
    if web.is_err() {
        left_out.extend(["--skip".to_owned(), web::TESTS.to_owned()]);
    }
    let aws = machine::set_up_aws();
    if aws.is_err() {
        left_out.extend(["--skip".to_owned(), machine::AWS_TESTS.to_owned()]);
    }
    let model = model::obtain();
    let mut variables = Vec::new();
    match &model {
        Ok(dir) => variables.push((model::TESTS_VARIABLE, dir.as_os_str())),
        Err(_) => left_out.extend(["--skip".to_owned(), model::TESTS.to_owned()]),
    }
    let all = [
        "test",
        "--workspace",
        "--features",
        "midwatch/full",
        "--locked",
        "--no-fail-fast",
        "--all-targets",
        "--",
    ];
    let tests = shell::run_with(&shell::cargo_program(), &all, &left_out, &variables)?;
    // `--all-targets` leaves out documentation; the compile-fail tests that guard authorisation live there.
    let docs = shell::cargo(&["test", "--workspace", "--locked", "--doc"], &[])?;
    for tool in &missing {
        println!(
            "skipped: {}: `{}` is not installed or may not run (Debian package {})",
            tool.tests, tool.program, tool.package
        );
    }
    if let Err(why) = npm {
        println!("skipped: {}: {why}", machine::NPM_TESTS.join(", "));
    }
    if let Err(why) = web {
        println!("skipped: {}: the dashboard cannot be built: {why}", web::TESTS);
    }
    if let Err(why) = aws {
        println!("skipped: {}: {why}", machine::AWS_TESTS);
    }
    if let Err(error) = &model {
        println!("skipped: {}: the embedding model cannot be had: {error:#}", model::TESTS);
    }
    Ok(if tests == ExitCode::SUCCESS { docs } else { tests })
}
