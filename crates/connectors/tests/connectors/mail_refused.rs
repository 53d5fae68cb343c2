//! A mail server that does not know one of the addresses: everybody else gets the mail.

use crate::notifiers::tell;
use crate::payloads::told;
use midwatch_connectors::{ConnectorsConfig, World};
use midwatch_model::Moment;
use midwatch_report::Sample;
use serde_json::json;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

type Taken = Arc<Mutex<Vec<String>>>;

/// Speaks as much SMTP as a client needs (RFC 5321); to whoever it does not know it answers as it is told.
async fn speak(
    stream: TcpStream,
    unknown: &'static str,
    answer: &'static str,
    taken: Taken,
) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut rcpts: Vec<String> = Vec::new();
    write.write_all(b"220 test\r\n").await?;
    let mut in_data = false;
    while let Some(line) = lines.next_line().await? {
        let said: String = match line.as_str() {
            "." if in_data => {
                in_data = false;
                taken.lock().expect("whole").append(&mut rcpts);
                "250 taken".into()
            }
            _ if in_data => continue,
            line if line.starts_with("RCPT") && line.contains(unknown) => answer.into(),
            line if line.starts_with("RCPT") => {
                rcpts.push(line.to_owned());
                "250 known".into()
            }
            line if line.starts_with("MAIL") || line.starts_with("RSET") => {
                rcpts.clear();
                "250 fine".into()
            }
            "DATA" => {
                in_data = true;
                "354 go on".into()
            }
            "QUIT" => "221 bye".into(),
            _ => "250 test".into(),
        };
        write.write_all(format!("{said}\r\n").as_bytes()).await?;
    }
    Ok(())
}

/// A mail to three roles, of which one's address is answered like this; what came of it, and who got it.
async fn check(unknown: &'static str, answer: &'static str) -> (Result<String, String>, Vec<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let taken = Taken::default();
    let server = {
        let taken = taken.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(speak(stream, unknown, answer, taken.clone()));
            }
        })
    };
    let email = json!({
        "host": "127.0.0.1", "port": port, "security": "none", "from": "midwatch <midwatch@example.org>",
        "on_call": ["oncall@example.org"], "team": ["team@example.org"], "management": ["gone@example.org"],
    });
    let config = json!({ "receiver": [{ "name": "ops", "email": [email] }] });
    let config: ConnectorsConfig = serde_json::from_value(config).expect("a configuration");
    let world = World::new(&config, &[]).expect("a world");
    let postmortem = told(Sample::Recovered).into_iter().find(|b| b.moment == Moment::Postmortem);
    let told = tell(&world, "ops/email/0", &postmortem.expect("a postmortem"), None).await;
    server.abort();
    let who = taken.lock().expect("whole").clone();
    (told.map(|told| told.answer).map_err(|error| error.reason), who)
}

#[tokio::test]
async fn an_address_that_is_gone_keeps_the_mail_from_nobody_else() {
    let (told, who) = check("gone@", "550 5.1.1 no such mailbox").await;
    let answer = told.expect("delivered");
    assert!(answer.contains("not delivered to gone@example.org") && answer.contains("550"), "{answer}");
    assert!(who.len() == 2 && who[0].contains("oncall@") && who[1].contains("team@"), "{who:?}");
}

#[tokio::test]
async fn who_is_asked_to_come_back_later_does_so_with_the_whole_mail() {
    let (told, who) = check("gone@", "450 4.2.1 come back later").await;
    let reason = told.expect_err("not yet");
    assert!(reason.contains("come back later") && who.is_empty(), "{reason} {who:?}");
}

#[tokio::test]
async fn a_mail_that_nobody_can_get_has_failed() {
    let (told, who) = check("@example.org", "550 5.7.1 not here").await;
    let reason = told.expect_err("to nobody");
    assert!(reason.contains("oncall@example.org") && who.is_empty(), "{reason} {who:?}");
}
