//! A whole night with people in it: a fault, a runbook's workflow that asks, a message in Slack, a signed press, the effect,
//! its verification, the same message kept up to date, mails, and a pull request.

use crate::night::{Night, text, wait_for};
use crate::npm::{Peer, free_port, prism};
use crate::repository::Repository;
use crate::slack::{Slack, press};
use serde_json::Value;
use tokio::runtime::Runtime;

/// Everybody whom this night tells something.
struct People {
    runtime: Runtime,
    slack: Slack,
    mail: u16,
    smtp: u16,
    repository: Repository,
    _prism: Peer,
    _maildev: Peer,
    _schema: tempfile::TempDir,
}

impl People {
    fn gather() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let schema = tempfile::tempdir().expect("a folder");
        let (smtp, mail) = (free_port(), free_port());
        let [smtp_text, mail_text] = [smtp, mail].map(|port| port.to_string());
        let loopback = "127.0.0.1";
        let args = ["--ip", loopback, "--smtp", &smtp_text, "--web-ip", loopback, "--web", &mail_text]
            .map(str::to_owned);
        let (prism, maildev, slack, repository) = runtime.block_on(async {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let maildev = Peer::start("maildev", &args, mail).await;
            let prism = prism("slack.com.json", &["/chat.postMessage", "/chat.update"], &schema).await;
            let slack = Slack::before(prism.port).await;
            (prism, maildev, slack, Repository::start(&[]).await)
        });
        Self { runtime, slack, mail, smtp, repository, _prism: prism, _maildev: maildev, _schema: schema }
    }

    fn config(&self, folder: &std::path::Path) -> String {
        let secret = |name: &str, text: &str| {
            std::fs::write(folder.join(name), text).expect("written");
            format!("{{ file = {:?} }}", folder.join(name))
        };
        format!(
            "mode = \"auto\"\ndry_run = false\n[runbooks]\nenabled = [\"crash-loop\"]\n\
             [slack]\nsigning_secret = {}\nworkspaces = [\"T0000000001\"]\n\
             [decision]\ntwo_person = []\napprover = [{{ name = \"ann\", slack = [\"U00000ANN\"] }}]\n\
             [route]\nreceiver = \"ops\"\n[[receiver]]\nname = \"ops\"\n\
             [[receiver.slack]]\ntoken = {}\nchannel = \"C0123456789\"\nurl = {:?}\n\
             [[receiver.email]]\nhost = \"127.0.0.1\"\nport = {}\nsecurity = \"none\"\nfrom = \"midwatch <midwatch@example.org>\"\n\
             on_call = [\"oncall@example.org\"]\nteam = [\"team@example.org\"]\n\
             [pull_requests]\ntoken = {}\nrepository = \"example/shop\"\nurl = {:?}\n",
            secret("signing", crate::slack::SECRET),
            secret("slack", "xoxb-not-a-real-token"),
            self.slack.url,
            self.smtp,
            secret("github", "ghp_not-a-real-token-at-all"),
            self.repository.url,
        )
    }

    /// Subjects of the mails, once there is one that has this in it.
    fn mails(&self, with: &str) -> Vec<String> {
        let url = format!("http://127.0.0.1:{}/email", self.mail);
        wait_for(&format!("a mail: {with}"), || {
            let mails: Vec<Value> =
                self.runtime.block_on(async { reqwest::get(&url).await.ok()?.json().await.ok() })?;
            let subjects: Vec<String> =
                mails.iter().filter_map(|mail| Some(mail["subject"].as_str()?.to_owned())).collect();
            subjects.iter().any(|subject| subject.contains(with)).then_some(subjects)
        })
    }
}

#[test]
fn a_full_run_goes_from_the_fault_over_a_signed_yes_in_slack_to_the_pull_request() {
    let (people, secrets) = (People::gather(), tempfile::tempdir().expect("a folder"));
    let mut night = Night::begin(&people.config(secrets.path()));
    night.serve();
    night.wait_until_warm();
    night.incident_free_samples(14);
    night.inject("inventory-service", "crash_loop");
    let button = wait_for("a message with a button", || people.slack.button("midwatch_approve"));

    // The workflow has looked, and waits at its gate.
    let id = night.in_state(&["awaiting_approval"])["id"].as_str().expect("an id").to_owned();
    assert!(night.operations().is_empty() && night.fault_is_present("inventory-service"));
    let to = format!("{}/api/v1/slack/interactions", night.url);
    let answer = |user: &str, secret: &str| people.runtime.block_on(press(&to, &button, user, secret));
    assert_eq!(answer("U00000ANN", "somebody else's secret"), 401);
    assert_eq!(answer("U00000EVE", crate::slack::SECRET), 200, "heard, and told that it counts for nothing");
    assert!(night.operations().is_empty(), "neither was a yes");
    assert_eq!(answer("U00000ANN", crate::slack::SECRET), 200);

    let resolved = night.in_state(&["resolved", "escalated"]);
    assert_eq!(resolved["state"], "resolved", "{:#}", resolved["timeline"]);
    assert_eq!(answer("U00000ANN", crate::slack::SECRET), 200, "a second press");
    let operations = night.operations();
    assert_eq!(operations.len(), 1, "{operations:?}");
    assert_eq!((&operations[0]["op"], &resolved["actions"][0]["by"]), (&"rollback".into(), &"ann".into()));
    assert!(!night.fault_is_present("inventory-service"));
    let told = resolved["timeline"].to_string();
    for part in ["Workflow crash-loop begins", "Step before done", "Step rollback done", "Step healthy done"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }

    let mails = people.mails("Postmortem");
    for word in ["Root cause: inventory-service", "Plan: inventory-service", "Resolved: inventory-service"] {
        assert!(mails.iter().any(|subject| subject.contains(word)), "{word}: {mails:?}");
    }
    let pull = wait_for("the pull request", || people.repository.pulls().pop());
    let title = pull["title"].as_str().expect("a title");
    assert!(title.starts_with("[midwatch] ") && title.ends_with("inventory-service crash_loop"), "{title}");
    let branch = format!("midwatch-fix/inventory-service/{id}");
    let document = people.repository.file(&branch, &format!("remediation/inventory-service-{id}.md"));
    assert!(document.contains("It recovered"), "{document}");
    assert_eq!(people.repository.pulls().len(), 1);

    wait_for("the link in Slack", || people.slack.shown().contains("/pull/").then_some(()));
    people.slack.assert_one_thread();
    assert!(!people.slack.shown().contains("midwatch_approve"), "nothing is asked any more");
    let postmortem = text(&night.run(&["incident", "postmortem", &id]).stdout);
    assert!(postmortem.contains("ann") && postmortem.contains("crash-loop"), "{postmortem}");
    assert!(night.store_is_clean());
}
