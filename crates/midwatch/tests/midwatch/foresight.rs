//! `midwatch train` and `midwatch predict`, as a user runs them.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_midwatch"));
    command.current_dir(dir).args(args).env("NO_COLOR", "1");
    command
}

fn midwatch(dir: &Path, args: &[&str]) -> Output {
    command(dir, args).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Windows to train on, few enough for a test.
fn windows(dir: &Path) {
    let done = midwatch(dir, &["train", "generate", "windows.safetensors", "--windows", "240"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
}

#[test]
fn a_window_is_judged_headline_first_and_the_model_says_why_it_serves() {
    let dir = tempfile::tempdir().expect("a folder");
    windows(dir.path());
    let window = midwatch(dir.path(), &["train", "window", "windows.safetensors", "1"]);
    std::fs::write(dir.path().join("window.json"), &window.stdout).expect("a file");
    let done = midwatch(dir.path(), &["predict", "window.json", "--explain"]);
    let said = text(&done.stdout);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let order = ["within 15 minutes", "FAILS", "Model: ", "It serves because ", "persistence"];
    let places: Vec<_> =
        order.iter().map(|part| said.find(part).unwrap_or_else(|| panic!("no `{part}` in {said}"))).collect();
    assert!(places.is_sorted(), "{places:?} in {said}");
}

#[test]
fn what_is_no_window_and_no_model_is_said_with_what_to_do() {
    let dir = tempfile::tempdir().expect("a folder");
    let check = |args: &[&str], code: i32, expected: &str| {
        let done = midwatch(dir.path(), args);
        let said = text(&done.stderr);
        assert!(said.contains(expected) && done.status.code() == Some(code), "{args:?}: {said}");
    };
    std::fs::write(dir.path().join("empty.json"), r#"{"tick_s": 2, "services": []}"#).expect("a file");
    std::fs::write(dir.path().join("cut.safetensors"), b"not tensors").expect("a file");
    check(&["predict", "empty.json"], 2, "a forecast needs at least one");
    check(&["predict", "none.json"], 1, "cannot read none.json");
    check(&["train", "cut.safetensors"], 1, "generate it again with `midwatch train generate`");
    check(
        &["train", "generate", "out", "--services-min", "9", "--services-max", "3"],
        2,
        "no more of the fewest",
    );
}

#[test]
fn a_training_that_is_interrupted_goes_on_and_ends_with_the_same_weights() {
    let dir = tempfile::tempdir().expect("a folder");
    windows(dir.path());
    let args = |output| ["train", "windows.safetensors", "-o", output, "--kinds", "mlp", "--epochs", "12"];
    let whole = midwatch(dir.path(), &args("whole"));
    assert!(whole.status.success(), "{}", text(&whole.stderr));
    let mut child = command(dir.path(), &args("parts"))
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a start");
    let mut lines = BufReader::new(child.stderr.take().expect("its words")).lines();
    let first = lines.next().expect("an epoch").expect("text");
    assert!(first.contains("epoch 1 of 12"), "{first}");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a small number"));
    kill(pid, Signal::SIGINT).expect("a signal");
    let stopped = child.wait_with_output().expect("an end");
    assert_eq!(stopped.status.code(), Some(1), "{}", text(&stopped.stdout));
    assert!(text(&stopped.stdout).contains("the same command goes on from here"));
    let rest = midwatch(dir.path(), &args("parts"));
    assert!(rest.status.success(), "{}", text(&rest.stderr));
    let weights =
        |output: &str| std::fs::read(dir.path().join(output).join("model.safetensors")).expect("weights");
    assert_eq!(weights("parts"), weights("whole"));
    assert!(dir.path().join("parts/reliability.svg").is_file());
}
