//! A rollback on the lab's operations dashboard, in Chromium, by declared steps: as a person would do it, with pictures.

use crate::night::{Night, text, wait_for};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let child = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`cargo xtask test` installs chromedriver");
        wait_for("the driver", || TcpStream::connect(("127.0.0.1", port)).ok());
        Self { child, port }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const LOGIN: &str = r##"
  - open: /login
  - fill: { at: "#user", text: ops }
  - fill: { at: "#password", secret: password }
  - press: "#login"
  - expect: { at: "h2", says: Services }
  - open: "/services/{service}?tab=deployments"
"##;

fn state() -> String {
    format!(
        "steps:{LOGIN}  - expect: {{ at: \"[data-testid=service-name]\", says: \"{{service}}\" }}\nread:\n  version: \"tr:has([data-testid=current]) td:first-child\"\n  previous_version: \"tr:has([data-testid=current]) + tr td:first-child\"\n"
    )
}

fn rollback(button: &str) -> String {
    format!(
        "steps:{LOGIN}  - screenshot: before\n  - act: '[data-testid=\"{button}\"]'\n  - expect: {{ at: \"[data-testid=message]\", says: \"{{version}}\" }}\n  - screenshot: after\n"
    )
}

/// A night in which the user service is rolled back on the dashboard only.
fn night(driver: &Driver, button: &str) -> Night {
    let mut night =
        Night::begin("mode = \"propose\"\ndry_run = false\n[control_plane]\ncall_timeout_s = 90.0\n");
    let (state_file, plan) = (night.path("state.yaml"), night.path("rollback.yaml"));
    std::fs::write(&state_file, state()).expect("written");
    std::fs::write(&plan, rollback(button)).expect("written");
    let browser = format!(
        "\n[[actuator]]\nname = \"dashboard\"\nservices = [\"user-service\"]\n[actuator.browser]\nwebdriver = \"http://127.0.0.1:{}\"\nurl = {:?}\nstate = {state_file:?}\nactions = {{ rollback = {plan:?} }}\nsecrets = {{ password = {{ file = {:?} }} }}\nscreenshots = {:?}\ntimeout_s = 20.0\narguments = [\"--headless=new\", \"--no-sandbox\", \"--disable-dev-shm-usage\", \"--disable-gpu\", \"--window-size=1100,700\"]\n",
        driver.port,
        night.lab_url,
        night.path("ops-password"),
        night.path("screenshots"),
    );
    let config = std::fs::read_to_string(night.config()).expect("the configuration");
    std::fs::write(night.config(), format!("{config}{browser}")).expect("written");
    night.serve();
    night.wait_until_warm();
    night
}

fn version(night: &Night) -> String {
    let service = night.lab_get("/api/v1/control/services/user-service");
    service["version"].as_str().unwrap_or_default().to_owned()
}

/// Keeps the pictures where they can be looked at after the test.
fn keep(pictures: &Path) -> usize {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    std::fs::create_dir_all(&kept).expect("a folder");
    let all: Vec<_> = std::fs::read_dir(pictures).expect("pictures").filter_map(Result::ok).collect();
    for picture in &all {
        let bytes = std::fs::read(picture.path()).expect("a picture");
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 5_000, "{}", picture.path().display());
        let name = picture.file_name().to_string_lossy().into_owned();
        let name = name.rsplit('-').next().unwrap_or_default().to_owned();
        std::fs::write(kept.join(name), bytes).expect("kept");
    }
    all.len()
}

#[test]
fn a_real_browser_rolls_back_on_the_dashboard_and_keeps_pictures() {
    let driver = Driver::start();
    let night = night(&driver, "rollback-{version}");
    night.inject("user-service", "bad_deployment");
    wait_for("the fault", || night.fault_is_present("user-service").then_some(()));
    let bad = version(&night);
    let output = night.run(&["act", "rollback", "user-service", "--by", "ana", "--reason", "bad build"]);
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success() && said.contains("applied: the plan was carried out; pictures: "),
        "{said}"
    );
    assert_ne!(version(&night), bad, "{said}");
    assert!(!night.fault_is_present("user-service"), "{said}");
    assert!(night.operations().is_empty(), "not by the control plane's API");
    let changes = night.lab_get("/api/v1/control/changes");
    assert!(
        changes["changes"]
            .as_array()
            .expect("changes")
            .iter()
            .any(|c| c["kind"] == "rollback" && c["by"] == "ops")
    );
    assert_eq!(keep(&night.path("screenshots")), 2, "before and after");
    let log = std::fs::read_to_string(night.path("server.log")).expect("a log");
    let password = std::fs::read_to_string(night.path("ops-password")).expect("a password");
    assert!(!log.contains(password.trim()) && !said.contains(password.trim()));
}

#[test]
fn a_real_browser_that_does_not_find_the_button_changes_nothing() {
    let driver = Driver::start();
    let night = night(&driver, "no-such-button");
    night.inject("user-service", "bad_deployment");
    wait_for("the fault", || night.fault_is_present("user-service").then_some(()));
    let bad = version(&night);
    let output = night.run(&["act", "rollback", "user-service", "--by", "ana"]);
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(
        said.contains("not_applied: ") && said.contains("there is no [data-testid=\"no-such-button\"]"),
        "{said}"
    );
    assert_eq!(version(&night), bad, "{said}");
}
