//! `midwatch top`: open incidents, services and approvals in a terminal, with approve and deny.
//!
//! `screen` says what is on it and what a key does; `draw` draws it; this file asks the server and the keyboard.

mod draw;
mod screen;

use super::{Client, me};
use crate::cli::ClientArgs;
use crate::exit::{DONE, Exit, Usage};
use anyhow::{Context as _, Result};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use screen::{Deed, Screen};
use serde_json::{Value, json};
use std::io::IsTerminal as _;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often the server is asked.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long the keyboard is waited for before it is seen whether anybody still listens.
const KEY_WAIT: Duration = Duration::from_millis(200);

/// Keys that may wait to be read.
const KEYS_MAX: usize = 32;

/// Shows the watch until it is left.
pub async fn run(args: &ClientArgs, by: Option<String>) -> Result<Exit> {
    if !std::io::stdout().is_terminal() {
        let text = "`midwatch top` needs a terminal; `midwatch status` and `midwatch incident list` print";
        return Err(Usage(text.into()).into());
    }
    let client = Client::new(args)?;
    // A server that does not answer at all is said before the screen is taken.
    client.get("/api/v1/status").await?;
    let mut terminal = ratatui::try_init().context("the terminal cannot be used")?;
    let (send, keys) = mpsc::channel(KEYS_MAX);
    let reader = tokio::task::spawn_blocking(move || read_keys(&send));
    let ended = watch(&mut terminal, &client, keys, &me(by)).await;
    ratatui::restore();
    reader.await.context("the keyboard could not be read")?;
    ended.map(|()| DONE)
}

/// Hands on what is pressed until nobody listens.
fn read_keys(send: &mpsc::Sender<event::KeyEvent>) {
    while !send.is_closed() {
        if !event::poll(KEY_WAIT).unwrap_or(false) {
            continue;
        }
        if let Ok(Event::Key(key)) = event::read()
            && key.kind == KeyEventKind::Press
            && send.blocking_send(key).is_err()
        {
            return;
        }
    }
}

async fn watch(
    terminal: &mut DefaultTerminal,
    client: &Client,
    mut keys: mpsc::Receiver<event::KeyEvent>,
    by: &str,
) -> Result<()> {
    let (mut screen, mut looks) = (Screen::default(), tokio::time::interval(LOOK_EVERY));
    loop {
        tokio::select! {
            _ = looks.tick() => screen.take(look(client).await),
            key = keys.recv() => match key.map_or(Deed::Leave, |key| screen.press(key.code, key.modifiers)) {
                Deed::Nothing => {}
                Deed::Leave => return Ok(()),
                Deed::Answer(waiting, decision) => {
                    screen.note = answer(client, &waiting, decision, by).await;
                    screen.take(look(client).await);
                }
            },
        }
        terminal.draw(|frame| draw::draw(frame, &screen)).context("the terminal cannot be drawn on")?;
    }
}

/// Everything that is shown, or why it cannot be.
async fn look(client: &Client) -> Result<Value> {
    let (status, incidents, approvals, graph) = tokio::try_join!(
        client.get("/api/v1/status"),
        client.get("/api/v1/incidents?open=true&limit=100"),
        client.get("/api/v1/approvals"),
        client.get("/api/v1/graph"),
    )?;
    Ok(json!({
        "status": status, "incidents": incidents["incidents"], "approvals": approvals["approvals"],
        "nodes": graph["nodes"],
    }))
}

/// Answers for exactly the plan and step that were on the screen.
async fn answer(client: &Client, waiting: &Value, decision: &str, by: &str) -> String {
    let body = json!({
        "incident": waiting["incident"], "plan": waiting["plan"], "step": waiting["step"], "decision": decision,
        "by": by, "reason": "",
    });
    match client.post("/api/v1/approvals", &body).await {
        Ok(heard) => format!("{decision}: on record as {}", heard["by"].as_str().unwrap_or(by)),
        Err(error) => format!("not recorded: {error:#}"),
    }
}
