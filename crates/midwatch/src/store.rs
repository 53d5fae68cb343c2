//! `midwatch store …`: the only commands that open the database.

use crate::cli::StoreCommand;
use crate::config::Config;
use crate::exit::{DONE, Exit, FAILED};
use crate::output::{self, out};
use anyhow::Result;
use std::path::PathBuf;

fn path(config: Option<PathBuf>, store: Option<PathBuf>) -> Result<PathBuf> {
    match (store, config) {
        (Some(store), _) => Ok(store),
        (None, Some(config)) => Ok(Config::load(&config)?.store.path),
        (None, None) => Err(crate::exit::Usage("say which store: -c CONFIG or --path FILE".into()).into()),
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

pub async fn run(command: StoreCommand) -> Result<Exit> {
    match command {
        StoreCommand::Verify { config, path: file, json } => {
            let report = midwatch_store::verify(&path(config, file)?).await?;
            if json {
                output::json(&serde_json::json!({
                    "clean": report.is_clean(), "streams": report.streams, "database": report.database,
                }))?;
            } else {
                for stream in report.streams.iter().filter(|s| s.problem.is_some()) {
                    out!("BROKEN  {}", stream.problem.as_deref().unwrap_or_default());
                }
                for problem in &report.database {
                    out!("BROKEN  database: {problem}");
                }
                let verdict = if report.is_clean() { "clean" } else { "not clean" };
                out!("{verdict}: {} records in {} streams", report.records(), report.streams.len());
            }
            Ok(if report.is_clean() { DONE } else { FAILED })
        }
        StoreCommand::Size { config, path: file, json } => {
            let size = midwatch_store::size(&path(config, file)?).await?;
            if json {
                output::json(&size)?;
                return Ok(DONE);
            }
            out!("{:<30}  {:>12}  {:>10}", "", "rows", "MB");
            for table in &size.tables {
                let bytes = megabytes(table.bytes.unwrap_or_default());
                out!("{:<30}  {:>12}  {bytes:>10}", table.holds, table.rows);
            }
            let (file, free) = (megabytes(size.file_bytes), megabytes(size.free_bytes));
            out!("the file has {file} MB, {free} MB of them free for what comes next");
            Ok(DONE)
        }
        StoreCommand::Rebuild { config, path: file } => {
            let store = midwatch_store::Store::open(&path(config, file)?).await?;
            let count = midwatch_engine::rebuild(&store).await?;
            store.close().await;
            out!("rebuilt the view of {count} incidents from their streams");
            Ok(DONE)
        }
    }
}
