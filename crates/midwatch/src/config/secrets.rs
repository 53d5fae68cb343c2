//! Secrets, which stand in files or in the environment, never in the configuration.

use std::path::Path;

/// The first line of a file.
pub fn of_file(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read the secret {}: {error}", path.display()))?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// The value of a variable.
pub fn of_env(name: &str) -> Result<String, String> {
    let value =
        std::env::var(name).map_err(|_| format!("the environment has no {name}; set it to the secret"))?;
    Ok(value.trim().to_owned())
}
