//! Block Kit: what Slack shows, within its limits.

use crate::notifiers::post::Page;
use crate::notifiers::template::Template;
use crate::notifiers::text::{cut, mrkdwn, parts, short_line};
use midwatch_model::bulletin::Bulletin;
use midwatch_model::{Moment, Severity, Standing};
use serde_json::{Value, json};

/// Characters of a header.
const HEADER_MAX: usize = 150;
/// Characters of a section's text.
const SECTION_MAX: usize = 3000;
/// Characters of a section's field.
const FIELD_MAX: usize = 2000;
/// Characters of the text that notifications on a phone show; Slack cuts at 40,000 and recommends 4,000.
const FALLBACK_MAX: usize = 4000;
/// Sections of a message's own text: with header, fields, buttons and links it stays far below 50 blocks.
const SECTIONS_MAX: usize = 12;
/// Sections of a postmortem: 45 and the message's other blocks are 50 at most.
const POSTMORTEM_SECTIONS_MAX: usize = 30;

/// The incident's message, as it stands.
pub(super) fn head(page: &Page<'_>, buttons: bool) -> Value {
    let bulletin = page.bulletin;
    let mut message = json!({ "text": fallback(page) });
    if page.is_plain() {
        return message;
    }
    let mut blocks = vec![
        json!({ "type": "header", "text": { "type": "plain_text", "text": header(page), "emoji": true } }),
        json!({ "type": "section", "fields": fields(bulletin) }),
    ];
    blocks.extend(sections(&page.text(Template::Slack), SECTIONS_MAX, "_More is in the incident._"));
    if buttons && let Some(actions) = actions(bulletin) {
        blocks.push(actions);
    }
    blocks.push(context(bulletin));
    message["blocks"] = blocks.into();
    message
}

/// What is new, for the thread.
pub(super) fn reply(page: &Page<'_>) -> Value {
    let bulletin = page.bulletin;
    // Slack takes no message without a text.
    let news = if bulletin.news.trim().is_empty() { &bulletin.state } else { &bulletin.news };
    let news = if news.trim().is_empty() { "News" } else { news };
    let news = short_line(news, SECTION_MAX / 2);
    let mut message = json!({ "text": mrkdwn(&news) });
    if page.is_plain() {
        return message;
    }
    let mut blocks = vec![section(&mrkdwn(&news))];
    if let Some(postmortem) = &bulletin.postmortem {
        blocks.extend(written_up(postmortem, &bulletin.topic));
    } else if let (Moment::Action, Some(undo)) = (bulletin.moment, &bulletin.undo) {
        blocks.push(section(&format!("*Undo:* {}", mrkdwn(&short_line(undo, SECTION_MAX / 2)))));
    }
    message["blocks"] = blocks.into();
    message
}

/// A message that stands for itself: nothing can be changed later, and no thread is below it.
pub(super) fn whole(page: &Page<'_>) -> Value {
    let mut message = head(page, false);
    if let (Some(postmortem), Some(blocks)) = (&page.bulletin.postmortem, message["blocks"].as_array_mut()) {
        blocks.extend(written_up(postmortem, &page.bulletin.topic));
    }
    message
}

fn header(page: &Page<'_>) -> String {
    let sign = match (page.bulletin.standing, page.bulletin.severity) {
        (Standing::Over, _) => ":white_check_mark:",
        (_, Severity::Critical) => ":red_circle:",
        (_, Severity::High) => ":large_orange_circle:",
        (_, Severity::Warning) => ":large_yellow_circle:",
        (_, Severity::Info) => ":large_blue_circle:",
    };
    short_line(&format!("{sign} {}", page.text(Template::Title)), HEADER_MAX)
}

fn fallback(page: &Page<'_>) -> String {
    let bulletin = page.bulletin;
    let text = match &bulletin.approval {
        Some(asked) => format!(
            "{}: {}. Waits for your yes: {}",
            page.text(Template::Title),
            bulletin.verdict,
            asked.what
        ),
        None => format!("{}: {}", page.text(Template::Title), bulletin.verdict),
    };
    // Escaping makes it longer: it is cut before.
    mrkdwn(&short_line(&text, FALLBACK_MAX / 5))
}

fn field(name: &str, value: &str) -> Value {
    let text = format!("*{name}*\n{}", mrkdwn(&short_line(value, FIELD_MAX / 8)));
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}

fn fields(bulletin: &Bulletin) -> Vec<Value> {
    let severity: &str = bulletin.severity.into();
    let mut fields = vec![
        field("Severity", severity),
        field("Service", if bulletin.service.is_empty() { "not named" } else { &bulletin.service }),
        field("State", &bulletin.state),
    ];
    if let Some(foreseen) = &bulletin.foreseen {
        fields.push(field("Probability", &format!("{:.0} %", foreseen.probability * 100.0)));
        if let Some(at) = foreseen.expected_at {
            let left = foreseen.minutes_left(bulletin.at).unwrap_or(0.0).ceil();
            // Each reader's own time zone; whoever cannot show that shows the words behind the bar.
            let fallback = format!("{} (in {left:.0} min)", at.strftime("%H:%M UTC"));
            let text = format!(
                "*Time to failure*\n{left:.0} min, at <!date^{}^{{time}}|{fallback}>",
                at.as_second()
            );
            fields.push(json!({ "type": "mrkdwn", "text": text, "verbatim": true }));
        }
    } else if let Some(confidence) = bulletin.confidence {
        fields.push(field("Confidence", &format!("{:.0} %", confidence * 100.0)));
    }
    fields
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": cut(text, SECTION_MAX), "verbatim": true } })
}

fn sections(text: &str, max: usize, missing: &str) -> Vec<Value> {
    parts(text, SECTION_MAX, max, missing).iter().map(|part| section(part)).collect()
}

/// What a press of a button says: it answers for this plan of this incident, and for no other.
fn actions(bulletin: &Bulletin) -> Option<Value> {
    let asked = bulletin.approval.as_ref().filter(|_| !bulletin.is_test)?;
    let value = json!({ "incident": bulletin.topic, "plan": asked.plan, "step": asked.step }).to_string();
    let count = asked.count.as_ref().map_or_else(String::new, |count| format!("{count}. "));
    let what = format!("{count}{} ({})", asked.what, asked.why);
    let confirm = json!({
        "title": { "type": "plain_text", "text": "Approve this plan?" },
        "text": { "type": "plain_text", "text": short_line(&what, 300) },
        "confirm": { "type": "plain_text", "text": "Approve" },
        "deny": { "type": "plain_text", "text": "Not now" },
    });
    Some(json!({
        "type": "actions",
        "block_id": short_line(&format!("midwatch:{}", bulletin.topic), 255),
        "elements": [
            { "type": "button", "style": "primary", "action_id": "midwatch_approve", "value": value,
              "text": { "type": "plain_text", "text": "Approve" }, "confirm": confirm },
            { "type": "button", "style": "danger", "action_id": "midwatch_deny", "value": value,
              "text": { "type": "plain_text", "text": "Deny" } },
        ],
    }))
}

fn context(bulletin: &Bulletin) -> Value {
    let mut words = vec![mrkdwn(&short_line(&bulletin.topic, 200))];
    let is_link = |url: &str| url.starts_with("http") && !url.contains(['|', '<', '>', ' ']);
    if is_link(&bulletin.url) {
        words.push(format!("<{}|Incident>", mrkdwn(&bulletin.url)));
    }
    if let Some(url) = bulletin.pull_request.as_ref().filter(|url| is_link(url)) {
        words.push(format!("<{}|Pull request>", mrkdwn(url)));
    }
    words.push(bulletin.at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
    json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": cut(&words.join("  ·  "), SECTION_MAX) }] })
}

/// A postmortem in Slack's own markup: headings are bold, tables are shown as they are.
fn written_up(markdown: &str, incident: &str) -> Vec<Value> {
    let mut text = String::with_capacity(markdown.len() + 256);
    let mut in_table = false;
    for line in markdown.lines() {
        let is_row = line.starts_with('|');
        if is_row != in_table {
            text.push_str("```\n");
            in_table = is_row;
        }
        let escaped = mrkdwn(&line.replace("**", "*").replace("&lt;", "<"));
        match line.trim_start_matches('#') {
            heading if heading.len() < line.len() => text.push_str(&format!("*{}*", mrkdwn(heading.trim()))),
            // Nothing within a table may end it.
            _ if is_row => text.push_str(&escaped.replace('`', "'")),
            _ => text.push_str(&escaped),
        }
        text.push('\n');
    }
    if in_table {
        text.push_str("```\n");
    }
    let missing = format!("_The rest is in `midwatch incident postmortem {incident}`._");
    let mut blocks = Vec::new();
    let mut open = false;
    for part in parts(&text, SECTION_MAX - 16, POSTMORTEM_SECTIONS_MAX, &missing) {
        // A table that goes on in the next part is closed here and opened there.
        let opens = if open { format!("```\n{part}") } else { part };
        open = opens.matches("```").count() % 2 == 1;
        blocks.push(section(&if open { format!("{opens}\n```") } else { opens }));
    }
    blocks
}
