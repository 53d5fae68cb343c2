//! The dashboard in Chromium, against the real binary and the real lab: `web/e2e` says what is done there.

use crate::night::{Night, midwatch, one_lab, wait_for};
use crate::prometheus::free_port;
use crate::undisturbed::beside_a_browser;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn web() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web")
}

/// Plays one of the files of `web/e2e`, with the server's address in its environment. What it leaves behind (pictures of
/// every page, traces of what failed) lies in the target folder.
fn play(night: &Night, file: &str) {
    play_at(&night.url, file);
}

fn play_at(url: &str, file: &str) {
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard");
    let played = Command::new("npx")
        .args(["--no-install", "playwright", "test", file])
        .current_dir(web())
        .env("MIDWATCH_URL", url)
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

#[test]
fn one_press_starts_the_lab_and_it_ends_with_the_server_in_a_real_chromium() {
    beside_a_browser(|| {
        let alone = one_lab();
        let dir = tempfile::tempdir().expect("a temporary folder");
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let config = dir.path().join("midwatch.toml");
        let text = format!("[server]\nlisten = \"{listen}\"\n[telemetry]\nkind = \"none\"\n");
        std::fs::write(&config, text).expect("written");
        let mut server = midwatch();
        // The demo world must not take these for its own.
        server.env("MIDWATCH_SERVER__LISTEN", listen.to_string()).env("TMPDIR", dir.path());
        let mut server = server
            .args(["serve", "-c"])
            .arg(&config)
            .current_dir(dir.path())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        wait_for("the server", || TcpStream::connect(listen).ok());
        play_at(&format!("http://{listen}"), "welcome.spec.ts");
        let pids = |file: &str| {
            let demo = dir.path().join(format!("midwatch-demo-{}", server.id())).join(file);
            std::fs::read_to_string(demo).expect("the demo world has written it")
        };
        let demo = Path::new("/proc").join(pids("server.pid").trim());
        assert!(demo.exists(), "the demo world runs");
        kill(Pid::from_raw(server.id().cast_signed()), Signal::SIGTERM).expect("it is there");
        assert!(server.wait().expect("its end").success(), "it stops when it is told to");
        wait_for("the end of the demo world", || (!demo.exists()).then_some(()));
        drop(alone);
    });
}
