//! The dashboard in Chromium, against the real binary and the real lab: `web/e2e` says what is done there.

use crate::night::Night;
use crate::undisturbed::beside_a_browser;
use std::path::{Path, PathBuf};
use std::process::Command;

fn web() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web")
}

/// Plays one of the files of `web/e2e`, with the server's address in its environment. What it leaves behind (pictures of
/// every page, traces of what failed) lies in the target folder.
fn play(night: &Night, file: &str) {
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard");
    let played = Command::new("npx")
        .args(["--no-install", "playwright", "test", file])
        .current_dir(web())
        .env("MIDWATCH_URL", &night.url)
        .env("MIDWATCH_E2E_OUTPUT", &output)
        .output()
        .expect("`cargo xtask test` installs what the dashboard's tests need");
    let said = String::from_utf8_lossy(&played.stdout);
    assert!(played.status.success(), "{said}\n{}", String::from_utf8_lossy(&played.stderr));
}

#[test]
fn a_fault_is_seen_decided_and_documented_in_a_real_chromium() {
    beside_a_browser(|| {
        let mut night = Night::begin("mode = \"propose\"\ndry_run = false\n");
        night.serve();
        night.wait_until_warm();
        play(&night, "night.spec.ts");
    });
}

#[test]
fn who_is_not_signed_in_sees_nothing_and_hostile_text_stays_text_in_a_real_chromium() {
    beside_a_browser(|| {
        let mut night = Night::begin("[server]\napi_key = \"a-key-for-this-test\"\n");
        night.serve();
        play(&night, "signin.spec.ts");
        play(&night, "hostile.spec.ts");
    });
}
