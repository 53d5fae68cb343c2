//! Mail through a real mail server: all mails of an incident's life, read back over its API.

use crate::notifiers::tell;
use crate::npm::{Peer, free_port};
use crate::payloads::told;
use midwatch_connectors::{ConnectorsConfig, World};
use midwatch_model::bulletin::Bulletin;
use midwatch_model::{Moment, Severity};
use midwatch_report::Sample;
use serde_json::{Value, json};

struct Post {
    _server: Peer,
    world: World,
    web: u16,
}

/// A mail server, and somebody in each role.
async fn post() -> Post {
    let (smtp, web) = (free_port(), free_port());
    let args = [
        "--ip",
        "127.0.0.1",
        "--smtp",
        &smtp.to_string(),
        "--web-ip",
        "127.0.0.1",
        "--web",
        &web.to_string(),
    ];
    let server = Peer::start("maildev", &args, web).await;
    let email = json!({
        "host": "127.0.0.1", "port": smtp, "security": "none", "from": "midwatch <midwatch@example.org>",
        "on_call": ["oncall@example.org"], "team": ["team@example.org"], "management": ["boss@example.org"],
        "services": { "till": { "team": ["till@example.org"] } },
    });
    let config = json!({ "receiver": [{ "name": "ops", "email": [email] }] });
    let config: ConnectorsConfig = serde_json::from_value(config).expect("a configuration");
    Post { _server: server, world: World::new(&config, &[]).expect("a world"), web }
}

impl Post {
    async fn send(&self, bulletin: &Bulletin) {
        let told = tell(&self.world, "ops/email/0", bulletin, None).await.expect("taken");
        assert!(
            told.answer.contains("answered 250") && told.answer.contains("oncall@example.org"),
            "{}",
            told.answer
        );
    }

    /// Every mail that the server has, oldest first.
    async fn mails(&self, expected: usize) -> Vec<Value> {
        let url = format!("http://127.0.0.1:{}/email", self.web);
        for _ in 0..1000 {
            let answer = reqwest::get(&url).await.expect("an answer");
            let mails: Vec<Value> = answer.json().await.expect("a list");
            if mails.len() == expected {
                return mails;
            }
        }
        panic!("never {expected} mails");
    }
}

fn to(mail: &Value) -> Vec<&str> {
    mail["to"].as_array().expect("recipients").iter().filter_map(|to| to["address"].as_str()).collect()
}

#[tokio::test]
async fn a_real_mail_server_takes_all_five_mails_of_an_incidents_life() {
    let post = post().await;
    let moments = [Moment::Alert, Moment::Verdict, Moment::Plan, Moment::Resolved, Moment::Postmortem];
    for bulletin in told(Sample::Recovered).iter().filter(|bulletin| moments.contains(&bulletin.moment)) {
        post.send(bulletin).await;
    }
    let mails = post.mails(5).await;
    let expected = [
        (
            "WARNING payment-service: payment-service: 99 % of the DB connections",
            &["Sigma", "14.2", "Anomaly score", "0.995"][..],
        ),
        (
            "Root cause: payment-service: db_connection_exhaustion (91 % confident)",
            &["its own pool is 99 % in use", "max(db_pool"],
        ),
        ("Plan: payment-service: ", &["Undo:", "connections are free again"]),
        ("Resolved: payment-service after 74 s (MTTR)", &["MTTR", "74 s"]),
        ("Postmortem: payment-service: db_connection_exhaustion", &["Root cause", "Timeline"]),
    ];
    for (mail, (subject, words)) in mails.iter().zip(expected) {
        let text = |name: &str| mail[name].as_str().unwrap_or_default().to_owned();
        assert!(
            text("subject").starts_with("[midwatch] ") && text("subject").contains(subject),
            "{}",
            text("subject")
        );
        for word in words {
            assert!(
                text("html").contains(word) && text("text").contains(word),
                "{subject}: {word} is missing"
            );
        }
        assert_eq!(mail["headers"]["auto-submitted"], "auto-generated");
        assert_eq!(mail["headers"]["references"], "<midwatch-inc-sample@example.org>", "one conversation");
    }
    // High: on call and team; a postmortem goes to all three.
    assert_eq!(to(&mails[0]), ["oncall@example.org"]);
    assert_eq!(to(&mails[1]), ["oncall@example.org", "team@example.org"]);
    assert_eq!(to(&mails[4]), ["oncall@example.org", "team@example.org", "boss@example.org"]);
}

#[tokio::test]
async fn a_real_mail_server_gets_what_is_critical_for_everybody_and_a_service_has_its_own_team() {
    let post = post().await;
    let verdict = told(Sample::Recovered).swap_remove(1);
    let critical = Bulletin { severity: Severity::Critical, service: "till".into(), ..verdict.clone() };
    post.send(&critical).await;
    let hostile = "x\r\nBcc: evil@example.org\r\n\r\n<script>alert(1)</script>";
    post.send(&Bulletin { service: hostile.into(), verdict: hostile.into(), ..verdict }).await;
    let mails = post.mails(2).await;
    assert_eq!(to(&mails[0]), ["oncall@example.org", "till@example.org", "boss@example.org"]);
    assert_eq!(to(&mails[1]), ["oncall@example.org", "team@example.org"], "nobody was added");
    assert!(!mails[1]["html"].as_str().unwrap_or_default().contains("<script>"));
    let again = tell(&post.world, "ops/email/0", &critical, None).await.expect("taken");
    assert!(again.thread.is_none());
    let ids: Vec<Value> =
        post.mails(3).await.iter().map(|mail| mail["headers"]["message-id"].clone()).collect();
    assert_eq!(ids[0], ids[2], "the same notification has the same id when it is sent again");
}

#[tokio::test]
async fn a_mail_server_that_is_not_there_is_named() {
    let email = json!({ "host": "127.0.0.1", "port": 9, "security": "none", "from": "a@b.example", "on_call": ["c@d.example"] });
    let config = json!({ "receiver": [{ "name": "ops", "email": [email] }] });
    let config: ConnectorsConfig = serde_json::from_value(config).expect("a configuration");
    let world = World::new(&config, &[]).expect("a world");
    let error =
        tell(&world, "ops/email/0", &told(Sample::Recovered)[0], None).await.expect_err("nobody is there");
    assert!(error.reason.starts_with("127.0.0.1:9: ") && error.may_retry, "{error:?}");
}
