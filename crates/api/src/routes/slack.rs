//! Presses of buttons in Slack: a yes or a no to the plan that the message showed.
//!
//! Must never: look into a body before its signature is believed, or decide who may say yes; the engine does that.

use crate::error::ApiError;
use crate::{Api, door::Lookup};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use midwatch_engine::{Engine, EngineError, Heard, Reply};
use midwatch_model::decision::{Caller, Way};
use midwatch_model::{IncidentId, PlanHash};
use midwatch_signal::authentic::Scheme;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Where Slack sends presses; the "Request URL" of the app's interactivity.
pub(crate) const PATH: &str = "/api/v1/slack/interactions";

/// Largest press, bytes. Slack sends the whole message along: 50 blocks of 3000 characters, escaped threefold.
const PRESS_BYTES_MAX: usize = 1 << 20;

/// Slack shows its user an error after 3 s without an answer; what takes longer goes on behind it.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Longest id of Slack's: they have about eleven characters.
const ID_CHARS_MAX: usize = 32;

/// Whose presses are believed.
#[derive(Clone, Debug)]
pub struct SlackDoor {
    /// The app's signing secret.
    pub scheme: Scheme,
    /// Ids of the workspaces that the app may be pressed in.
    pub workspaces: Vec<String>,
}

/// What of a press is read; Slack sends more.
#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    team: Option<Team>,
    user: User,
    #[serde(default)]
    response_url: String,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct Team {
    id: String,
}

#[derive(Deserialize)]
struct User {
    id: String,
    /// The user's own workspace; another one in a channel that is shared between companies.
    team_id: Option<String>,
}

#[derive(Deserialize)]
struct Action {
    action_id: String,
    #[serde(default)]
    value: String,
}

/// What a button's value says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pressed {
    incident: String,
    plan: String,
    /// Messages from before steps were named have none, and are answered no more.
    step: usize,
}

/// A press of a button in Slack, signed by Slack (`X-Slack-Signature`). Needs no API key.
#[utoipa::path(post, path = "/api/v1/slack/interactions", tag = "approvals",
    request_body(content = String, content_type = "application/x-www-form-urlencoded", description = "Slack's `payload`"),
    responses((status = 200, description = "heard; what became of it is said in Slack"), (status = 400), (status = 401),
        (status = 403, description = "another workspace"), (status = 404, description = "presses are not taken")))]
pub(crate) async fn press(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let door = api.config.slack.as_ref().ok_or_else(|| {
        ApiError::not_found("presses of Slack are not taken here: set [slack] signing_secret and workspaces")
    })?;
    let payload = believed(&api, door, &headers, &body)?;
    if payload.kind != "block_actions" {
        return Err(ApiError::bad_request("only presses of buttons (block_actions) are taken here"));
    }
    let url = payload.response_url.clone();
    let Some(answer) = read(&payload)? else { return Ok(StatusCode::OK) };
    let engine = api.engine.clone();
    // On its own task: what is not done when Slack stops waiting is done all the same.
    let work = tokio::spawn(async move {
        let heard = engine.answer(&answer).await;
        say(&engine, &url, &answer, heard).await;
    });
    let _ = tokio::time::timeout(ANSWER_MAX, work).await;
    Ok(StatusCode::OK)
}

/// The press, if it comes from the app in one of the workspaces.
fn believed(api: &Api, door: &SlackDoor, headers: &HeaderMap, body: &[u8]) -> Result<Payload, ApiError> {
    if body.len() > PRESS_BYTES_MAX {
        return Err(ApiError::too_large("the press is larger than any of Slack's"));
    }
    let verified = door.scheme.verify(&Lookup(headers), body, api.engine.now());
    verified.map_err(|refused| ApiError::unauthorized(format!("the press is not believed: {refused}")))?;
    api.limiter.check_caller("slack")?;
    let unreadable = || ApiError::bad_request("the press cannot be read: it has no payload of Slack's");
    let fields: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let payloads: Vec<&str> =
        fields.iter().filter(|(name, _)| name == "payload").map(|(_, text)| text.as_str()).collect();
    let [payload] = payloads.as_slice() else { return Err(unreadable()) };
    let payload: Payload = serde_json::from_str(payload).map_err(|_| unreadable())?;
    let teams = payload.team.iter().map(|team| &team.id).chain(&payload.user.team_id);
    let all: Vec<&String> = teams.collect();
    if all.is_empty() || !all.iter().all(|id| door.workspaces.contains(id)) {
        return Err(ApiError::forbidden(
            "the press comes from a workspace that [slack] workspaces does not name",
        ));
    }
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    let id = &payload.user.id;
    if !(2..=ID_CHARS_MAX).contains(&id.len()) || !id.chars().all(plain) {
        return Err(unreadable());
    }
    Ok(payload)
}

/// What the press says; `None` for a button that only opens a page.
fn read(payload: &Payload) -> Result<Option<Reply>, ApiError> {
    let ours = |action: &&Action| matches!(action.action_id.as_str(), "midwatch_approve" | "midwatch_deny");
    let mut pressed = payload.actions.iter().filter(ours);
    let (Some(action), None) = (pressed.next(), pressed.next()) else {
        return if payload.actions.iter().any(|action| ours(&action)) {
            Err(ApiError::bad_request("the press answers twice at once"))
        } else {
            Ok(None)
        };
    };
    let value: Pressed = serde_json::from_str(&action.value).map_err(|_| {
        ApiError::bad_request(
            "the button is not one of this midwatch's: look for the incident's newest message",
        )
    })?;
    let yes = action.action_id == "midwatch_approve";
    Ok(Some(Reply {
        incident: IncidentId::new(value.incident),
        plan: PlanHash::new(value.plan),
        step: Some(value.step),
        caller: Caller::new(Way::Slack, payload.user.id.as_str()),
        yes,
        reason: if yes { String::new() } else { "said no in Slack".to_owned() },
    }))
}

/// Tells the one who pressed what became of it. What the channel sees comes with the incident's own message.
async fn say(engine: &Arc<Engine>, url: &str, answer: &Reply, heard: Result<Heard, EngineError>) {
    let text = match &heard {
        Ok(heard) if heard.again => format!("You ({}) have said so already: it counts once.", heard.by),
        Ok(heard) if !answer.yes => format!("Denied, {}: the incident is handed to people.", heard.by),
        Ok(heard) if heard.is_enough() => format!("Approved, {}. The gate looks at it once more.", heard.by),
        Ok(heard) => {
            format!("{} of {} people have said yes: somebody else must, too.", heard.have, heard.needed)
        }
        Err(error) => format!("Your answer changes nothing: {error}"),
    };
    if let Err(error) = &heard {
        let (user, incident) = (&answer.caller.id, answer.incident.as_str());
        tracing::info!(slack.user = user, incident.id = incident, %error, "a press in Slack changed nothing");
    }
    let body: Value = json!({ "response_type": "ephemeral", "replace_original": false, "text": text });
    if !url.is_empty()
        && let Err(error) = engine.respond(url, &body).await
    {
        tracing::debug!(%error, "whoever pressed could not be told");
    }
}
