//! Acknowledged means on the disk: watched from outside, by the system calls of a process that commits.

use crate::harness::{append, folder, incident, open, texts};
use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// Commits of the traced process.
const COMMITS: u64 = 20;

/// Environment variable with the path of the store of the process that is traced.
const TRACED: &str = "MIDWATCH_TEST_TRACED";

/// Makes `command` run one test of this binary.
pub fn this_test_again<'a>(command: &'a mut Command, name: &str) -> &'a mut Command {
    let this = std::env::current_exe().expect("the path of this binary");
    command.arg(this).args(["--exact", name, "--nocapture", "--test-threads", "1"])
}

/// The traced half: commits one after the other and says so on its standard output.
#[tokio::test]
async fn every_acknowledged_commit_can_be_read() {
    let traced = std::env::var_os(TRACED);
    let (_dir, own) = folder();
    let path = traced.as_ref().map_or(own.as_path(), |path| Path::new(path));
    let store = open(path).await;
    let a = incident("a");
    for number in 0..COMMITS {
        store.commit(append(&a, number, &["text"])).await.expect("a commit");
        if traced.is_some() {
            std::io::stdout().write_all(format!("acked {number}\n").as_bytes()).expect("standard output");
        }
    }
    assert_eq!(texts(&store, &a).await.len() as u64, COMMITS);
}

#[test]
fn a_commit_is_acknowledged_only_after_fdatasync() {
    let (dir, path) = folder();
    let trace = dir.path().join("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-e", "trace=fdatasync,fsync,pwrite64,write", "-o"]).arg(&trace);
    this_test_again(&mut strace, "durable::every_acknowledged_commit_can_be_read").env(TRACED, &path);
    let output = strace.output().expect("strace runs; the test command leaves this test out where it cannot");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stdout));
    let trace = std::fs::read_to_string(&trace).expect("a trace");
    let mut watcher = Watcher::default();
    trace.lines().for_each(|line| watcher.see(line));
    assert_eq!(watcher.acknowledged, COMMITS, "{trace}");
}

/// Reads a trace line by line and knows what of the write-ahead log is on the disk.
#[derive(Default)]
struct Watcher {
    /// Writes to the log that were begun.
    written: u64,
    /// Of these, how many a completed sync covers.
    synced: u64,
    /// Writes at the time of the previous acknowledgement.
    before: u64,
    /// Syncs of the log under way, by thread: how many writes had been begun.
    syncing: HashMap<String, u64>,
    acknowledged: u64,
}

impl Watcher {
    fn see(&mut self, line: &str) {
        let Some((thread, call)) = line.split_once(' ') else { return };
        let call = call.trim_start();
        let name = call.split(['(', ' ']).next().unwrap_or_default();
        let of_log = call
            .split_once('<')
            .and_then(|(_, rest)| rest.split_once('>'))
            .is_some_and(|(p, _)| p.ends_with("-wal"));
        match name {
            "write" | "pwrite64" if of_log => self.written += 1,
            "write" if call.contains("\"acked ") => self.acknowledge(line),
            "fsync" | "fdatasync" if of_log => {
                self.syncing.insert(thread.to_owned(), self.written);
                self.sync_ended(thread, call);
            }
            "<..." if call.contains("sync resumed") => self.sync_ended(thread, call),
            _ => {}
        }
    }

    fn sync_ended(&mut self, thread: &str, call: &str) {
        if call.trim_end().ends_with("= 0")
            && let Some(covered) = self.syncing.remove(thread)
        {
            self.synced = self.synced.max(covered);
        }
    }

    fn acknowledge(&mut self, line: &str) {
        assert!(self.written > self.before, "{line}: nothing was written for it");
        assert_eq!(self.synced, self.written, "{line}: acknowledged before it was on the disk");
        self.before = self.written;
        self.acknowledged += 1;
    }
}

#[test]
fn the_watcher_sees_an_acknowledgement_that_comes_too_early() {
    let seen = |lines: &[&str]| {
        let mut watcher = Watcher::default();
        let all = || lines.iter().for_each(|line| watcher.see(line));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(all)).is_ok()
    };
    let write = "7 pwrite64(9</d/midwatch.db-wal>, \"..\", 24, 0) = 24";
    let acked = "8 write(1<pipe:[1]>, \"acked 0\\n\", 8) = 8";
    assert!(seen(&[write, "7 fdatasync(9</d/midwatch.db-wal>) = 0", acked]));
    assert!(seen(&[
        write,
        "7 fdatasync(9</d/midwatch.db-wal> <unfinished ...>",
        "7 <... fdatasync resumed>) = 0",
        acked
    ]));
    assert!(!seen(&[write, acked]));
    assert!(!seen(&[acked]));
    assert!(!seen(&[write, "7 fdatasync(9</d/midwatch.db-wal> <unfinished ...>", acked]));
    assert!(!seen(&[write, "7 fdatasync(9</d/midwatch.db>) = 0", acked]));
    assert!(!seen(&[write, "7 fdatasync(9</d/midwatch.db-wal>) = -1 EIO (Input/output error)", acked]));
    assert!(!seen(&[write, "7 fdatasync(9</d/midwatch.db-wal>) = 0", write, acked]));
}
