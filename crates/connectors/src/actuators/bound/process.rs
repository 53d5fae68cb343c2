//! Running a program: no shell, a cleared environment, nothing on its standard input, a bounded answer, an end.

use crate::error::excerpt;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Bytes of an answer that are kept; what comes after them is read and thrown away, so that a talkative program is not
/// stopped in the middle of its work.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// Time for a program that was told to stop until it is killed.
const GRACE: Duration = Duration::from_millis(500);

/// Time for what a program wrote to arrive after its end. Something that it left behind may hold the pipe open for ever.
const LINGER: Duration = Duration::from_millis(500);

/// Names of programs that take text and run it as commands.
const SHELLS: [&str; 21] = [
    "sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "csh", "tcsh", "fish", "pwsh", "busybox", "env",
    "xargs", "nsenter", "su", "runuser", "ssh", "script", "watch", "parallel",
];

/// Names of programs that run the program that their arguments name.
const RUNNERS: [&str; 14] = [
    "sudo",
    "doas",
    "timeout",
    "nohup",
    "nice",
    "ionice",
    "setsid",
    "flock",
    "chroot",
    "unshare",
    "stdbuf",
    "strace",
    "systemd-run",
    "time",
];

/// Names of programs that run a script, and any text that an argument has as one. Versions at their end do not count.
const INTERPRETERS: [&str; 12] =
    ["python", "pypy", "perl", "ruby", "node", "nodejs", "deno", "php", "lua", "awk", "gawk", "tclsh"];

/// A program and the environment that it gets, which is all that it gets.
#[derive(Clone)]
pub(super) struct Program {
    pub path: PathBuf,
    pub environment: BTreeMap<String, String>,
}

/// How a run ended.
#[derive(Debug)]
pub(super) enum Ran {
    /// It was never started.
    NotStarted(String),
    /// It did not end in time, or was killed: nobody knows how far it came.
    Cut(String),
    Ended {
        code: i32,
        out: Vec<u8>,
        /// The last line that it said, as one short line without secrets.
        said: String,
    },
}

/// What is wrong with a program, if anything is.
pub(super) fn problem(path: &Path) -> Option<String> {
    if !path.is_absolute() || path.components().any(|part| part == std::path::Component::ParentDir) {
        return Some("must be an absolute path without `..`, such as \"/usr/local/bin/billctl\"".to_owned());
    }
    let real = std::fs::canonicalize(path).ok();
    // Where one file is every program, its name says nothing.
    let real = real.as_deref().map(name_of).filter(|name| *name != "busybox");
    if let Some(name) = [Some(name_of(path)), real].into_iter().flatten().find(|name| SHELLS.contains(name)) {
        return Some(format!(
            "is {name}, which runs any text as commands; name the program itself, or a script that takes arguments"
        ));
    }
    None
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// What is wrong with the arguments of a program that runs what they say, if anything is.
pub(super) fn code_problem(path: &Path, arguments: &[String]) -> Option<String> {
    let name = name_of(path);
    if RUNNERS.contains(&name) {
        let at = arguments.iter().position(|argument| {
            let named = name_of(Path::new(argument));
            SHELLS.contains(&named) || RUNNERS.contains(&named) || is_interpreter(named)
        });
        return at.map(|at| {
            format!(
                "has {name} run {}, which runs any text or any program; name the program that does it, or a script",
                arguments[at]
            )
        });
    }
    let names_script = |first: &String| first.starts_with('/') && !first.contains(['{', '}']);
    let is_fit = !is_interpreter(name) || arguments.first().is_some_and(names_script);
    (!is_fit).then(|| {
        format!(
            "gives {name} text to run as a program; its first argument must be the absolute path of a script, such as \
             \"/opt/billctl.py\", without `{{…}}`"
        )
    })
}

fn is_interpreter(name: &str) -> bool {
    let is_version = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
    INTERPRETERS.contains(&name.trim_end_matches(is_version))
}

/// Why a program is not run, if it is not: anybody who may write it could make midwatch do anything.
fn refusal(path: &Path) -> Option<String> {
    let shown = path.display();
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) => return Some(format!("{shown}: {error}")),
    };
    let mode = meta.permissions().mode();
    let ours = nix::unistd::geteuid().as_raw();
    if !meta.is_file() || mode & 0o111 == 0 {
        return Some(format!("{shown} is no executable file"));
    }
    if mode & 0o022 != 0 {
        return Some(format!("{shown} may be written by others; `chmod go-w {shown}`"));
    }
    (meta.uid() != 0 && meta.uid() != ours)
        .then(|| format!("{shown} belongs to neither root nor the user that midwatch runs as"))
}

/// The group of a process, which is killed if nobody waits for it any more.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended just now.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Program {
    /// Runs it once.
    pub async fn run(&self, arguments: &[String], within: Duration) -> Ran {
        if let Some(refusal) = refusal(&self.path) {
            return Ran::NotStarted(refusal);
        }
        if within.is_zero() {
            return Ran::NotStarted("no time was left for it".to_owned());
        }
        let spawned = tokio::process::Command::new(&self.path)
            .args(arguments)
            .env_clear()
            .envs(&self.environment)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => return Ran::NotStarted(format!("{}: {error}", self.path.display())),
        };
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
        let mut group = Group(pid);
        let out = tokio::spawn(kept(child.stdout.take()));
        let err = tokio::spawn(kept(child.stderr.take()));
        let ended = tokio::time::timeout(within, child.wait()).await;
        let Ok(status) = ended else {
            stop(&mut child, &mut group).await;
            out.abort();
            err.abort();
            return Ran::Cut(format!("it did not end within {:.1} s and was stopped", within.as_secs_f64()));
        };
        group.0 = None;
        let (out, err) = tokio::join!(arrived(out), arrived(err));
        let said = last_line(if err.trim_ascii().is_empty() { &out } else { &err });
        match status.map(|status| status.code()) {
            Ok(Some(code)) => Ran::Ended { code, out, said },
            Ok(None) => Ran::Cut("it was killed by a signal".to_owned()),
            Err(error) => Ran::Cut(format!("its end cannot be told: {error}")),
        }
    }
}

/// The last line.
fn last_line(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    excerpt(text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default())
}

/// Asks the whole group to end, then makes it.
async fn stop(child: &mut tokio::process::Child, group: &mut Group) {
    if let Some(group) = group.0 {
        let _ = killpg(group, Signal::SIGTERM);
    }
    let _ = tokio::time::timeout(GRACE, child.wait()).await;
    if let Some(group) = group.0.take() {
        // Also what ignored the first signal, and what the program itself had started.
        let _ = killpg(group, Signal::SIGKILL);
    }
    let _ = child.wait().await;
}

/// The beginning of what a pipe gives, read to its end.
async fn kept(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let (mut kept, mut chunk) = (Vec::new(), [0; 8192]);
    let Some(mut pipe) = pipe else { return kept };
    while let Ok(count @ 1..) = pipe.read(&mut chunk).await {
        let room = KEPT_BYTES_MAX - kept.len();
        kept.extend_from_slice(&chunk[..count.min(room)]);
    }
    kept
}

/// What has arrived; nothing of a pipe that something left behind holds open.
async fn arrived(reader: tokio::task::JoinHandle<Vec<u8>>) -> Vec<u8> {
    let stop = reader.abort_handle();
    match tokio::time::timeout(LINGER, reader).await {
        Ok(Ok(text)) => text,
        _ => {
            stop.abort();
            Vec::new()
        }
    }
}
