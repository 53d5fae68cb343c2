//! `midwatch notify preview`: what would be told is shown, and nobody is told; secrets are not even needed.

use crate::night::{midwatch, text};
use serde_json::Value;

const CONFIG: &str = r#"
[[receiver]]
name = "ops"
[[receiver.slack]]
buttons = true
token = { env = "NOBODY_HAS_SET_THIS" }
channel = "C0123456789"
[[receiver.email]]
host = "mail.invalid"
from = "midwatch <midwatch@example.org>"
on_call = ["oncall@example.org"]
[[receiver]]
name = "pager"
[[receiver.pagerduty]]
routing_key = { file = "/nowhere/key" }
"#;

fn run(config: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("midwatch.toml");
    std::fs::write(&path, config).expect("written");
    let output = midwatch().args(args).arg(&path).output().expect("midwatch runs");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_preview_shows_every_request_and_mail_and_needs_no_secret() {
    let (code, out, error) = run(CONFIG, &["notify", "preview", "--json", "-c"]);
    assert_eq!(code, Some(0), "{error}");
    let all: Vec<Value> = serde_json::from_str(&out).expect("JSON");
    let of = |target: &str| all.iter().filter(|one| one["target"] == target).count();
    assert!(of("ops/slack/0") >= 8 && of("ops/email/0") == 5 && of("pager/pagerduty/0") >= 3, "{out}");
    assert!(out.contains("midwatch_approve") && !out.contains("NOBODY_HAS_SET_THIS"));
    let narrow = ["notify", "preview", "--receiver", "ops/email/0", "--moment", "verdict", "-c"];
    let (code, out, _) = run(CONFIG, &narrow);
    assert!(code == Some(0) && out.contains("Subject: [midwatch] Root cause: payment-service"), "{out}");
    let (code, out, _) =
        run(CONFIG, &["notify", "preview", "--sample", "foreseen", "--receiver", "ops", "-c"]);
    assert!(code == Some(0) && out.contains("Time to failure"), "{out}");
}

#[test]
fn a_mistake_says_what_there_is() {
    for (args, words) in [
        (
            &["notify", "preview", "--receiver", "nobody", "-c"][..],
            "receivers of the configuration: ops, pager",
        ),
        (
            &["notify", "preview", "--sample", "meteor", "-c"],
            "`meteor` is not a sample; known: recovered, foreseen, escalated",
        ),
        (&["notify", "preview", "--moment", "noon", "-c"], "`noon` is not a moment of an incident"),
        (&["config", "check"], "the environment, which has no NOBODY_HAS_SET_THIS"),
    ] {
        let (code, _, error) = run(CONFIG, args);
        assert!(code == Some(2) && error.contains(words), "{args:?}: {error}");
    }
    let inline = CONFIG.replace("{ env = \"NOBODY_HAS_SET_THIS\" }", "\"xoxb-1234567890-not-real\"");
    let (code, _, error) = run(&inline, &["config", "check"]);
    assert!(code == Some(2) && error.contains("{ env = ") && !error.contains("xoxb-1234567890"), "{error}");
}

#[test]
fn templates_of_ones_own_are_used_and_one_that_fails_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |text: &str| std::fs::write(dir.path().join("title.txt"), text).expect("written");
    let config = format!("{CONFIG}\n[notifications]\ntemplates = {:?}\n", dir.path());
    write("NIGHT WATCH {{ service|upper }}");
    let (_, out, error) = run(&config, &["notify", "preview", "--receiver", "pager", "-c"]);
    assert!(out.contains("NIGHT WATCH PAYMENT-SERVICE"), "{out} {error}");
    write("{{ service");
    let (code, _, error) = run(&config, &["config", "check"]);
    assert!(code == Some(2) && error.contains("`title.txt`, which is no template"), "{error}");
    write("{% for x in range(1000000) %}{% for y in range(1000) %}x{% endfor %}{% endfor %}");
    let (code, _, error) = run(&config, &["config", "check"]);
    assert!(code == Some(2) && error.contains("title.txt") && error.contains("fails"), "{error}");
    std::fs::write(dir.path().join("titel.txt"), "x").expect("written");
    let (code, _, error) = run(&config, &["config", "check"]);
    assert!(
        code == Some(2) && error.contains("`titel.txt`, which is no template; templates are title.txt"),
        "{error}"
    );
}
