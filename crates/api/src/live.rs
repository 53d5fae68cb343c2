//! `/ws`: the live view. A snapshot on connect, then an update whenever something changed, looked at every 2 s and soon
//! after every commit.
//!
//! All who listen share one look. Slow ones are bounded by construction: whoever is still being sent an update skips what
//! comes meanwhile and gets the newest afterwards; every message is the whole view, so that a gap costs nothing. Whoever
//! takes nothing at all is given up on, and nobody else notices.

use crate::access::{Caller, Signed};
use crate::dto::{ApprovalDto, IncidentSummary};
use crate::serve::{Held, Listening};
use crate::{Api, error::ApiError};
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Extension, State};
use axum::http::Uri;
use axum::response::Response;
use midwatch_store::{IncidentRow, Store};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Where it is.
pub(crate) const PATH: &str = "/ws";

/// How often the view is looked at: the engine's own tick.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long a look is good for while commits keep coming: a storm must not make the view a load.
const LOOK_APART: Duration = Duration::from_millis(100);

/// What is in memory follows a commit at once, but after it.
const SETTLE: Duration = Duration::from_millis(20);

/// How long a message may take to be taken.
const SEND_MAX: Duration = Duration::from_secs(5);

/// How often something is said also where nothing has changed: who hears nothing for longer than twice this is not
/// connected any more, whatever their end of the connection believes.
const BEAT_EVERY: Duration = Duration::from_secs(5);

/// How long a goodbye may take to be taken.
const CLOSE_MAX: Duration = Duration::from_millis(500);

/// How often a connection is tried that nothing is sent on, and how long it may say nothing.
const PING_EVERY: Duration = Duration::from_secs(20);
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How long a connection lasts. Who is still allowed to listen comes back with a new ticket and goes on where they were.
const LIFE_MAX: Duration = Duration::from_secs(3600);

/// Bytes that are read of what a client says; it has nothing to say.
const SAID_BYTES_MAX: usize = 1024;

/// Bytes that are taken at a time of what a client says. By default they would be 128 KiB, held for each who listens: a
/// thousand dashboards would cost as much as the whole server twice.
const TAKEN_BYTES: usize = 2 * 1024;

/// Incidents in a view that need nobody yet, the last opened first; those that need somebody are all there.
const OTHERS_MAX: usize = 100;

/// Those that need somebody, at most: so many that one more tells nothing.
const NEEDED_MAX: usize = 1_000;

/// States in which an incident needs somebody.
const NEEDS: [&str; 2] = ["awaiting_approval", "escalated"];

/// States in which nobody has to do anything any more.
const OVER: [&str; 3] = ["resolved", "closed", "false_alarm"];

/// Looks that may fail in a row before clients are told.
const ERRORS_MAX: u32 = 5;

/// The view that everybody shares.
pub(crate) struct Live {
    /// Names this run of the server: numbers of another say nothing here.
    epoch: String,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    seq: u64,
    view: Value,
    /// The view as it is sent, without its head.
    text: Arc<str>,
    /// The whole message for those who saw the one before: made once, shared by all who are sent it.
    update: Utf8Bytes,
    commits: u64,
    looked: Option<Instant>,
    failures: u32,
}

/// What a look has shown.
#[derive(Clone)]
struct Shot {
    seq: u64,
    text: Arc<str>,
    update: Utf8Bytes,
    is_failing: bool,
}

impl Live {
    pub fn new(epoch: String) -> Self {
        Self { epoch, kept: Mutex::default() }
    }

    /// The view as it is now, computed once for all who ask at about the same time.
    async fn look(&self, api: &Api) -> Shot {
        let mut kept = self.kept.lock().await;
        if let Some(looked) = kept.looked {
            let is_current = api.engine.store.commits() == kept.commits && looked.elapsed() < LOOK_EVERY / 2;
            if is_current {
                return kept.shot();
            }
            tokio::time::sleep_until(looked + LOOK_APART).await;
        }
        // Read before the view is, so that what is committed meanwhile is looked at again.
        let commits = api.engine.store.commits();
        match view(api).await {
            Ok(view) => kept.take(view, &self.epoch),
            Err(_) => kept.failures += 1,
        }
        (kept.commits, kept.looked) = (commits, Some(Instant::now()));
        kept.shot()
    }

    /// What a client gets first: nothing but a nod if it has seen just this.
    fn first(&self, resumes: Option<&str>, shot: &Shot) -> Message {
        if resumes == Some(format!("{}.{}", self.epoch, shot.seq).as_str()) {
            return Message::Text(written("resumed", &self.epoch, shot.seq, ""));
        }
        Message::Text(written("snapshot", &self.epoch, shot.seq, &shot.text))
    }
}

impl Kept {
    fn take(&mut self, view: Value, epoch: &str) {
        self.failures = 0;
        if self.seq == 0 || view != self.view {
            self.seq += 1;
            self.text = view.to_string().into();
            self.update = written("update", epoch, self.seq, &self.text);
            self.view = view;
        }
    }

    fn shot(&self) -> Shot {
        let (text, update) = (self.text.clone(), self.update.clone());
        Shot { seq: self.seq, text, update, is_failing: self.failures >= ERRORS_MAX }
    }
}

/// A message with the view as JSON; without one, none.
fn written(kind: &str, epoch: &str, seq: u64, view: &str) -> Utf8Bytes {
    let data = if view.is_empty() { "null" } else { view };
    format!(r#"{{"type":"{kind}","epoch":"{epoch}","seq":{seq},"data":{data}}}"#).into()
}

/// The ticket in an address.
pub(crate) fn ticket(uri: &Uri) -> Option<String> {
    parameter(uri, "ticket")
}

fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Upgrades a connection. Origin and ticket were looked at before, as for every call.
pub(crate) async fn upgrade(
    State(api): State<Api>,
    held: Option<Extension<Held>>,
    caller: Option<Extension<Caller>>,
    uri: Uri,
    ws: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let full = || ApiError::unavailable("as many listen as can be served; come back in a while");
    let gone = || ApiError::unavailable("there is no connection to listen on");
    let Extension(held) = held.ok_or_else(gone)?;
    let listening = held.listens().ok_or_else(full)?;
    let signed = caller.and_then(|Extension(caller)| caller.signed);
    let resumes = parameter(&uri, "resume");
    let ws = ws.max_message_size(SAID_BYTES_MAX).read_buffer_size(TAKEN_BYTES);
    Ok(ws.on_upgrade(move |socket| attend(api, socket, resumes, signed, listening)))
}

/// Serves one listener until it goes, its session ends or the server stops. Its place is free only then.
async fn attend(
    api: Api,
    mut socket: WebSocket,
    resumes: Option<String>,
    signed: Option<Signed>,
    mut listening: Listening,
) {
    let over = tokio::select! {
        () = serve(&api, &mut socket, resumes, signed.as_ref()) => return,
        () = listening.stopped() => (close_code::AWAY, "the server is stopping"),
        () = api.sessions.ended(signed.as_ref()) => (close_code::POLICY, "the session has ended"),
    };
    let frame = CloseFrame { code: over.0, reason: over.1.into() };
    // Whoever does not take it is gone with the connection.
    let _ = tokio::time::timeout(CLOSE_MAX, socket.send(Message::Close(Some(frame)))).await;
}

async fn serve(api: &Api, socket: &mut WebSocket, resumes: Option<String>, signed: Option<&Signed>) {
    let (mut looks, mut pings) = (tokio::time::interval(LOOK_EVERY), tokio::time::interval(PING_EVERY));
    let mut beats = tokio::time::interval_at(Instant::now() + BEAT_EVERY, BEAT_EVERY);
    let (mut beat, mut heard) = (api.engine.store.beat(), Instant::now());
    let ends = Instant::now() + signed.map_or(LIFE_MAX, |signed| signed.left(api.engine.now()).min(LIFE_MAX));
    let mut commits = api.engine.store.commits();
    let shot = api.live.look(api).await;
    let (mut seq, mut failing) = (shot.seq, false);
    if !sent(socket, api.live.first(resumes.as_deref(), &shot)).await {
        return;
    }
    loop {
        let message = tokio::select! {
            _ = looks.tick() => match next(api, &mut seq, &mut failing).await {
                None => changed(api, seq, &mut commits),
                message => message,
            },
            Ok(()) = beat.changed() => {
                tokio::time::sleep(SETTLE).await;
                next(api, &mut seq, &mut failing).await
            }
            _ = beats.tick() => Some(Message::Text(written("beat", &api.live.epoch, seq, ""))),
            _ = pings.tick() => Some(Message::Ping(Default::default())),
            () = tokio::time::sleep_until(ends.min(heard + SILENCE_MAX)) => return,
            // Clients only listen: that they say anything shows that they are there.
            said = socket.recv() => match said {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {
                    heard = Instant::now();
                    None
                }
            },
        };
        if let Some(message) = message
            && !sent(socket, message).await
        {
            return;
        }
    }
}

/// What is new since the last message, if anything is.
async fn next(api: &Api, seq: &mut u64, failing: &mut bool) -> Option<Message> {
    let shot = api.live.look(api).await;
    if shot.is_failing {
        let is_new = !std::mem::replace(failing, true);
        let text = json!({ "type": "error", "seq": shot.seq, "error": "the store cannot be read; what is shown is old" });
        return is_new.then(|| Message::text(text.to_string()));
    }
    let recovered = std::mem::replace(failing, false);
    if shot.seq == *seq && !recovered {
        return None;
    }
    *seq = shot.seq;
    Some(Message::Text(shot.update))
}

/// Something is on record that the view does not show: pages that show it ask again.
fn changed(api: &Api, seq: u64, known: &mut u64) -> Option<Message> {
    let now = api.engine.store.commits();
    let is_new = std::mem::replace(known, now) != now;
    is_new.then(|| Message::Text(written("changed", &api.live.epoch, seq, "")))
}

async fn sent(socket: &mut WebSocket, message: Message) -> bool {
    matches!(tokio::time::timeout(SEND_MAX, socket.send(message)).await, Ok(Ok(())))
}

/// Open incidents, those that need somebody first, and how many more there are.
async fn open(store: &Store) -> Result<(Vec<IncidentRow>, usize), ApiError> {
    let mut rows = store.incidents(true, u32::MAX).await?;
    rows.retain(|row| !OVER.contains(&row.state.as_str()));
    rows.sort_by_key(|row| !NEEDS.contains(&row.state.as_str()));
    let needed = rows.iter().filter(|row| NEEDS.contains(&row.state.as_str())).count();
    let shown = rows.len().min(needed.min(NEEDED_MAX) + OTHERS_MAX);
    let more = rows.len() - shown;
    rows.truncate(shown);
    Ok((rows, more))
}

async fn view(api: &Api) -> Result<Value, ApiError> {
    let (rows, more) = open(&api.engine.store).await?;
    let mut approvals: Vec<ApprovalDto> = Vec::new();
    for row in rows.iter().filter(|row| row.state == "awaiting_approval") {
        approvals.extend(crate::routes::waiting_of(&api.engine, &row.id).await?);
    }
    let incidents: Vec<IncidentSummary> = rows.into_iter().map(Into::into).collect();
    let graph = crate::routes::graph_of(&api.engine).await;
    let prediction = api.engine.forecasts().ok();
    let health = api.engine.health().await;
    Ok(json!({
        "graph": graph, "incidents": incidents, "more": more, "approvals": approvals,
        "mode": api.engine.config.mode, "dry_run": api.engine.config.dry_run,
        "prediction": prediction.map(|p| json!({ "model": p.model, "horizon_s": p.horizon_s, "path": p.path })),
        "health": {
            "status": health.status, "warm_up_ticks_left": health.warm_up_ticks_left, "stale": health.stale,
            "sources_failing": health.sources_failing, "receivers_failing": health.receivers_failing,
            "last_error": health.last_error,
        },
    }))
}
