//! `midwatch key` and `midwatch user`.

use crate::exit::{DONE, Exit, Usage};
use crate::output::out;
use anyhow::{Context as _, Result};
use midwatch_api::{NamedKey, PASSWORD_CHARS_MIN, Scope, User, hash_password, mint};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use std::io::IsTerminal as _;

/// Makes a key and prints it with what the configuration keeps of it.
pub fn new(name: &str, scopes: &[Scope]) -> Result<Exit> {
    let (mut secret, mut salt) = ([0; 32], [0; 16]);
    OsRng.try_fill_bytes(&mut secret).context("the system gives no random bytes")?;
    OsRng.try_fill_bytes(&mut salt).context("the system gives no random bytes")?;
    let wrong = |problem| Usage(format!("--{problem}"));
    let minted = mint(name, secret, salt).map_err(wrong)?;
    NamedKey::new(name, &minted.hash, scopes).map_err(wrong)?;
    let scopes = listed(scopes);
    out!("The key, which is shown only now:\n\n  {}\n", minted.key);
    out!("For the configuration of the server:\n");
    out!("[[api_key]]\nname = \"{name}\"\nhash = \"{}\"\nscopes = [{}]", minted.hash, scopes);
    Ok(DONE)
}

/// Reads a password and prints what the configuration keeps of it.
pub fn new_user(name: &str, scopes: &[Scope]) -> Result<Exit> {
    let mut salt = [0; 16];
    OsRng.try_fill_bytes(&mut salt).context("the system gives no random bytes")?;
    if std::io::stdin().is_terminal() {
        eprintln!("Password ({PASSWORD_CHARS_MIN} characters or more; it is shown as you type):");
    }
    let mut password = String::new();
    std::io::stdin().read_line(&mut password).context("cannot read the password from standard input")?;
    let hash = hash_password(password.trim_end_matches(['\r', '\n']), salt)
        .map_err(|problem| Usage(problem.to_string()))?;
    User::new(name, &hash, scopes).map_err(|problem| Usage(format!("--{problem}")))?;
    out!("For the configuration of the server:\n");
    out!("[[user]]\nname = \"{name}\"\nhash = \"{hash}\"\nscopes = [{}]", listed(scopes));
    Ok(DONE)
}

fn listed(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| format!("\"{scope}\"")).collect::<Vec<_>>().join(", ")
}
