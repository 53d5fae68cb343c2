//! Runbooks whose steps run and backtests, as their user meets them. No lab is needed.

use crate::night::{midwatch, text, wait_for};
use crate::prometheus::free_port;
use std::process::{Child, Stdio};

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command, its exit code, and part of what it says.
fn check(args: &[&str], code: i32, part: &str) {
    let output = midwatch().args(args).output().expect("midwatch runs");
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.code() == Some(code) && said.contains(part),
        "{args:?}: {:?} {said}",
        output.status
    );
}

const OWN: &str = "trigger: { causes: [memory_leak] }\nsteps:\n  - { id: see, look: health }\n  - { id: tell, notify: look at it }\n";

#[test]
fn workflows_are_listed_checked_and_matched_without_a_server() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(path("own.yaml"), OWN).expect("written");
    std::fs::write(path("bad.yaml"), OWN.replace("notify", "shell")).expect("written");
    check(&["runbook", "list"], 0, "kube-pod-crash-looping");
    check(&["runbook", "check", &path("own.yaml")], 0, "can be used");
    check(&["runbook", "check", &path("bad.yaml")], 2, "bad.yaml:4");
    check(&["runbook", "check", &path("nowhere.md")], 2, "nowhere.md");
    let of = |more: &[&'static str]| {
        let all: Vec<&str> = ["runbook", "match", "--service", "pay"].iter().chain(more).copied().collect();
        all.iter().map(|arg| (*arg).to_owned()).collect::<Vec<String>>()
    };
    let run = |more: &[&'static str], code: i32, part: &str| {
        let args = of(more);
        check(&args.iter().map(String::as_str).collect::<Vec<_>>(), code, part);
    };
    run(&["--cause", "crash_loop"], 0, "crash-loop");
    run(&["--cause", "crash_loop", "--label", "alertname=KubePodCrashLooping"], 0, "KubePodCrashLooping");
    run(&["--cause", "storage_exhaustion"], 1, "None matches");
    run(&["--cause", "boredom"], 2, "boredom");
    run(&["--cause", "crash_loop", "--label", "nonsense"], 2, "NAME=VALUE");
}

#[test]
fn a_server_rehearses_outlines_and_backtests_and_refuses_what_it_cannot_use() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (path, port) = (|name: &str| dir.path().join(name).display().to_string(), free_port());
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\n[store]\npath = {:?}\n[report]\ndir = {:?}\n[telemetry]\nkind = \"none\"\n\
         [runbooks]\nenabled = [\"latency-spike\"]\n[[service]]\nname = \"pay\"\n",
        path("midwatch.db"),
        path("postmortems"),
    );
    std::fs::write(path("midwatch.toml"), &config).expect("written");
    std::fs::write(path("bad.toml"), config.replace("latency-spike", "latency-spikes")).expect("written");
    std::fs::write(path("own.yaml"), OWN).expect("written");
    std::fs::write(path("bad.yaml"), OWN.replace("notify", "shell")).expect("written");
    std::fs::write(path("new.cedar"), "forbid (principal is Agent, action, resource);").expect("written");
    std::fs::write(path("bad.cedar"), "forbid (").expect("written");
    check(&["config", "check", &path("bad.toml")], 2, "latency-spikes");
    check(&["serve", "-c", &path("bad.toml")], 2, "latency-spikes");
    let log = std::fs::File::create(path("log")).expect("a log");
    let serve = ["serve", "-c", &path("midwatch.toml")].map(str::to_owned);
    let _server =
        Server(midwatch().args(serve).stdout(Stdio::null()).stderr(log).spawn().expect("midwatch runs"));
    let url = format!("http://127.0.0.1:{port}");
    let is_up =
        || midwatch().args(["status", "--url", &url]).output().is_ok_and(|output| output.status.success());
    wait_for("the server's answer", || is_up().then_some(()));
    let about = ["--cause", "memory_leak", "--url", &url];
    let run = |workflow: &str, service: &str, code: i32, part: &str| {
        let mut args = vec!["runbook", "run", workflow, "--dry-run", "--service", service];
        args.extend(about);
        check(&args, code, part);
    };
    run(&path("own.yaml"), "pay", 1, "pay has no health endpoint");
    run(&path("own.yaml"), "nowhere", 1, "is not a watched service");
    run(&path("bad.yaml"), "pay", 1, "bad.yaml:4");
    run("nothing", "pay", 2, "runbook list");
    let mut generate = vec!["runbook", "generate"];
    generate.extend(about);
    check(&generate, 1, "nothing to outline");
    check(&["backtest", "--policy", &path("new.cedar"), "--url", &url], 0, "0 of 0 incidents");
    check(&["backtest", "--policy", &path("bad.cedar"), "--url", &url], 1, "the policy cannot be used");
    check(&["backtest", "--policy", &path("none.cedar"), "--url", &url], 2, "cannot read the policy");
    check(
        &["backtest", "--policy", &path("new.cedar"), "--since", "soon", "--url", &url],
        2,
        "not a duration",
    );
}
