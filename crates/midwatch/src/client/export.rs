//! `midwatch incident export`: an incident as a folder.

use super::{Client, checked};
use crate::exit::{DONE, Exit, Usage};
use crate::output::{self, out};
use anyhow::{Context as _, Result, anyhow};
use midwatch_diagnosis::bundle::FILES;
use serde_json::json;
use std::path::Path;

/// Writes the bundle of an incident and says what to do with it.
pub async fn run(client: &Client, as_json: bool, id: &str, dir: &Path) -> Result<Exit> {
    let written = write(client, id, dir).await?;
    if as_json {
        return output::json(&json!({ "incident": id, "dir": dir, "files": written })).map(|()| DONE);
    }
    out!("{id} is in {}: {}", dir.display(), written.join(", "));
    out!("look into it with: midwatch investigate {} --explain", dir.display());
    Ok(DONE)
}

/// Writes the bundle's files into a folder that is new or empty, and says which.
pub async fn write(client: &Client, id: &str, dir: &Path) -> Result<Vec<&'static str>> {
    let shown = dir.display();
    if std::fs::read_dir(dir).is_ok_and(|mut inside| inside.next().is_some()) {
        return Err(Usage(format!("{shown} is not empty; name a folder that does not exist yet")).into());
    }
    let answer = client.get(&format!("/api/v1/incidents/{}/bundle", checked(id)?)).await?;
    let files = answer["files"].as_object().ok_or_else(|| anyhow!("the server sent no bundle"))?;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {shown}"))?;
    let mut written = Vec::new();
    // Only names that a bundle has: a server does not choose what is written where.
    for name in FILES {
        let Some(text) = files.get(name).and_then(|text| text.as_str()) else { continue };
        let path = dir.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        written.push(name);
    }
    Ok(written)
}
