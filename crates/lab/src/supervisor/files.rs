//! The files that the lab writes into its directory.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::PoisonError;

use anyhow::Context;
use serde_json::{Map, Value, json};

use super::world::World;

/// Writes a file as a whole or not at all.
pub(super) fn write_atomically(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let temporary = path.with_extension("tmp");
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&temporary)?;
        // `mode` has no effect on a file that was left over.
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().with_context(|| format!("write {}", path.display()))
}

/// Writes `pids.json`: the supervisor and every live process, by service.
pub(super) fn write_pids(world: &World) {
    let _one_writer = world.pids_lock.lock().unwrap_or_else(PoisonError::into_inner);
    let mut services = Map::new();
    for fleet in world.fleets.values() {
        let instances: Vec<Value> = fleet
            .live_instances()
            .iter()
            .map(|one| json!({"id": one.id, "pid": one.pid, "address": one.address, "version": one.version}))
            .collect();
        services.insert(fleet.service.to_string(), Value::Array(instances));
    }
    let body = json!({"supervisor": std::process::id(), "url": world.url, "services": services});
    if let Err(error) = write_atomically(&world.dir.join("pids.json"), &format!("{body:#}\n"), 0o644) {
        eprintln!("{error:#}");
    }
}
