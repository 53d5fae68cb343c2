//! What each vendor would be sent over the life of an incident, as snapshots, and within the vendor's limits whatever an
//! alert says.

use midwatch_connectors::{NotificationsConfig, Previews, ReceiverConfig};
use midwatch_model::bulletin::{Bulletin, Piece, Symptom};
use midwatch_report::{BulletinInput, Sample, bulletins, sample};
use serde_json::{Value, json};
use strum::VariantArray as _;

/// A receiver with every vendor; secrets are never read here.
pub fn everybody() -> ReceiverConfig {
    let secret = json!({ "env": "UNUSED" });
    let config = json!({
        "name": "ops",
        "slack": [{ "token": secret, "channel": "C0123456789", "buttons": true }, { "webhook": secret }],
        "email": [{
            "host": "mail.example.org", "from": "midwatch <midwatch@example.org>", "on_call": ["oncall@example.org"],
            "team": ["team@example.org"], "management": ["boss@example.org"],
        }],
        "pagerduty": [{ "routing_key": secret }],
        "teams": [{ "webhook": secret }],
        "notion": [{ "token": secret, "database": "0123456789abcdef0123456789abcdef" }],
        "github": [{ "token": secret, "repository": "example/shop" }],
        "discord": [{ "webhook": secret }],
        "opsgenie": [{ "api_key": secret, "team": "payments" }],
    });
    serde_json::from_value(config).expect("a receiver")
}

fn previews() -> Previews {
    Previews::new(&[everybody()], &NotificationsConfig::default()).expect("previews")
}

pub fn told(kind: Sample) -> Vec<Bulletin> {
    let lines = sample(kind);
    let input = BulletinInput { lines: &lines, url: "https://midwatch.example.org", owner: Some("payments") };
    bulletins(input, 0).into_iter().map(|(_, bulletin)| bulletin).collect()
}

/// A target's whole story, for reading.
fn story(target: &str, kind: Sample) -> String {
    let previews = previews();
    let way = everybody().ways().into_iter().find(|way| way.target == target).expect("a way");
    let (mut text, mut thread) = (String::new(), Value::Null);
    for bulletin in told(kind).iter().filter(|bulletin| way.moments.contains(&bulletin.moment)) {
        for preview in previews.of(target, bulletin, &thread) {
            text.push_str(&format!("=== {} → {}\n", bulletin.moment, preview.to));
            match (preview.body["subject"].as_str(), preview.body["text"].as_str()) {
                (Some(subject), Some(plain)) => text.push_str(&format!("Subject: {subject}\n\n{plain}\n")),
                _ => text
                    .push_str(&format!("{}\n", serde_json::to_string_pretty(&preview.body).expect("JSON"))),
            }
        }
        thread = previews.thread_of(target);
    }
    text
}

#[test]
fn each_vendor_is_sent_what_its_snapshot_shows() {
    for way in everybody().ways() {
        insta::assert_snapshot!(way.target.replace('/', "_"), story(&way.target, Sample::Recovered));
    }
    insta::assert_snapshot!("ops_slack_0_foreseen", story("ops/slack/0", Sample::Foreseen));
    insta::assert_snapshot!("ops_email_0_escalated", story("ops/email/0", Sample::Escalated));
}

#[test]
fn a_mail_is_html_that_its_snapshot_shows() {
    let bulletin = told(Sample::Recovered).swap_remove(1);
    let mail = previews().of("ops/email/0", &bulletin, &Value::Null).swap_remove(0);
    insta::assert_snapshot!("mail_of_a_verdict", mail.body["html"].as_str().expect("HTML"));
}

/// An incident whose every text is as long and as hostile as can be.
fn hostile(text: &str) -> Vec<Bulletin> {
    let mut all: Vec<Bulletin> = Sample::VARIANTS.iter().flat_map(|kind| told(*kind)).collect();
    for bulletin in &mut all {
        for field in [
            &mut bulletin.title,
            &mut bulletin.verdict,
            &mut bulletin.news,
            &mut bulletin.service,
            &mut bulletin.state,
            &mut bulletin.answer,
        ] {
            *field = text.to_owned();
        }
        bulletin.evidence = vec![Piece { source: text.into(), text: text.into(), query: text.into() }; 10];
        bulletin.symptoms = vec![Symptom { service: text.into(), text: text.into(), sigma: None }; 10];
        bulletin.path = vec![text.to_owned(); 12];
        bulletin.action = Some(text.to_owned());
        bulletin.undo = Some(text.to_owned());
        bulletin.done = vec![text.to_owned(); 40];
        bulletin.next_query = Some(text.to_owned());
        bulletin.postmortem =
            bulletin.postmortem.as_ref().map(|_| format!("# {text}\n\n| {text} |\n").repeat(16));
        if let Some(asked) = &mut bulletin.approval {
            asked.what = text.to_owned();
            asked.why = text.to_owned();
        }
    }
    all
}

/// Every text in a body with the name that it stands under.
fn texts(body: &Value, name: &str, each: &mut impl FnMut(&str, &str)) {
    match body {
        Value::String(text) => each(name, text),
        Value::Array(all) => all.iter().for_each(|one| texts(one, name, each)),
        Value::Object(all) => all.iter().for_each(|(name, one)| texts(one, name, each)),
        _ => {}
    }
}

/// Every request of every target about these.
fn each_request(all: &[Bulletin], mut check: impl FnMut(&str, &Value)) {
    let previews = previews();
    for way in everybody().ways() {
        for bulletin in all {
            for thread in [Value::Null, previews.thread_of(&way.target)] {
                for preview in previews.of(&way.target, bulletin, &thread) {
                    check(&way.target, &preview.body);
                }
            }
        }
    }
}

fn within_slacks_limits(body: &Value) {
    let blocks = body["blocks"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert!(blocks.len() <= 50, "{} blocks", blocks.len());
    let length = |text: &Value| text.as_str().unwrap_or_default().chars().count();
    assert!(length(&body["text"]) <= 40_000 && length(&body["text"]) > 0);
    for block in blocks {
        let max = if block["type"] == "header" { 150 } else { 3000 };
        assert!(length(&block["text"]["text"]) <= max, "{block}");
        assert!(length(&block["block_id"]) <= 255);
        let fields = block["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert!(fields.len() <= 10 && fields.iter().all(|field| length(&field["text"]) <= 2000));
        for button in block["elements"].as_array().into_iter().flatten().filter(|one| one["type"] == "button")
        {
            assert!(length(&button["value"]) <= 2000 && length(&button["text"]["text"]) <= 75);
            assert!(length(&button["confirm"]["text"]["text"]) <= 300);
        }
    }
}

fn within_limits(target: &str, body: &Value) {
    let size = body.to_string().len();
    let length = |text: &Value| text.as_str().unwrap_or_default().chars().count();
    match target.split('/').nth(1).unwrap_or_default() {
        "slack" => within_slacks_limits(body),
        "pagerduty" => {
            assert!(
                length(&body["payload"]["summary"]) <= 1024
                    && length(&body["dedup_key"]) <= 255
                    && size < 512_000
            );
        }
        "teams" => assert!(size <= 28_000, "{size} bytes"),
        "discord" => {
            let embed = &body["embeds"][0];
            let fields: usize = embed["fields"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|f| length(&f["name"]) + length(&f["value"]))
                .sum();
            let all = length(&embed["title"])
                + length(&embed["description"])
                + length(&embed["footer"]["text"])
                + fields;
            assert!(
                length(&body["content"]) <= 2000 && length(&embed["title"]) <= 256 && all <= 6000,
                "{all}"
            );
            assert_eq!(body["allowed_mentions"], json!({ "parse": [] }));
        }
        "notion" => {
            assert!(body["children"].as_array().is_none_or(|children| children.len() <= 100));
            texts(body, "", &mut |name, text| assert!(name != "content" || text.chars().count() <= 2000));
        }
        "github" => assert!(length(&body["title"]) <= 256 && length(&body["body"]) <= 65_536),
        "opsgenie" => {
            assert!(length(&body["message"]) <= 130 && length(&body["description"]) <= 15_000);
            assert!(length(&body["note"]) <= 25_000);
        }
        "email" => assert!(!length(&body["subject"]).eq(&0) && length(&body["subject"]) <= 200),
        other => panic!("no limits are known of {other}"),
    }
}

#[test]
fn no_text_is_longer_than_its_vendor_takes() {
    for text in [
        "x".repeat(5_000),
        "word ".repeat(1_000),
        "<&>`*_|".repeat(700),
        "ж\n\n".repeat(1_500),
        String::new(),
    ] {
        each_request(&hostile(&text), within_limits);
    }
}

#[test]
fn nothing_of_an_alert_comes_to_life_at_a_vendor() {
    let hostile = hostile(
        "<!channel> <@U1> @everyone [click](https://evil.example) <script>alert(1)</script> \r\nBcc: x@evil.example",
    );
    each_request(&hostile, |target, body| {
        let kind = target.split('/').nth(1).unwrap_or_default();
        let mut body = body.clone();
        // Headers and what a button asks before it does something are plain text: nothing comes to life there.
        for block in body["blocks"].as_array_mut().into_iter().flatten() {
            if block["type"] == "header" || block["type"] == "actions" {
                *block = Value::Null;
            }
        }
        texts(&body, "", &mut |name, text| {
            let forbidden: &[&str] = match (kind, name) {
                ("slack", "text") => &["<!channel>", "<@U1>", "<script>"],
                (
                    "teams" | "github" | "discord",
                    "text" | "value" | "title" | "description" | "body" | "content",
                ) => &["](https", "@everyone"],
                ("email", "html") => &["<script>", "<!channel>"],
                ("email", "subject") => &["\r", "\n"],
                _ => &[],
            };
            // A title is plain text at GitHub, and so is a header at Slack.
            let is_plain = matches!((kind, name), ("github", "title"));
            for forbidden in forbidden.iter().filter(|_| !is_plain) {
                assert!(!text.contains(forbidden), "{target} {name}: {text}");
            }
        });
    });
}
