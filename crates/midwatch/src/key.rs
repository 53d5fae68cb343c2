//! `midwatch key`.

use crate::exit::{DONE, Exit, Usage};
use crate::output::out;
use anyhow::{Context as _, Result};
use midwatch_api::{NamedKey, Scope, mint};
use rand::TryRngCore as _;
use rand::rngs::OsRng;

/// Makes a key and prints it with what the configuration keeps of it.
pub fn new(name: &str, scopes: &[Scope]) -> Result<Exit> {
    let (mut secret, mut salt) = ([0; 32], [0; 16]);
    OsRng.try_fill_bytes(&mut secret).context("the system gives no random bytes")?;
    OsRng.try_fill_bytes(&mut salt).context("the system gives no random bytes")?;
    let wrong = |problem| Usage(format!("--{problem}"));
    let minted = mint(name, secret, salt).map_err(wrong)?;
    NamedKey::new(name, &minted.hash, scopes).map_err(wrong)?;
    let scopes: Vec<String> = scopes.iter().map(|scope| format!("\"{scope}\"")).collect();
    out!("The key, which is shown only now:\n\n  {}\n", minted.key);
    out!("For the configuration of the server:\n");
    out!("[[api_key]]\nname = \"{name}\"\nhash = \"{}\"\nscopes = [{}]", minted.hash, scopes.join(", "));
    Ok(DONE)
}
